"""What both towers take of a step, and what their adapters cost.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_towers.py [--profile]

About a minute on an H200, most of it compiling. Forward and backward of the two towers alone, blocks compiled, as one
graph, one tower beside the other, as in training; on a CPU in small. With --profile only the kernels of the towers with
their adapters are told, by their time and by kind: what pictures would get as a gradient is left out then, as in
training.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from gpu_models import random_7b
from speed_place import DEVICE, DTYPE, IS_TRIAL, model_config, release, wait
from speed_profile import by_kind, by_time, seconds
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from vlatrain.fast.capture import captured, warm_up
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.shadows import Shadows
from vlatrain.fast.streams import side_stream
from vlatrain.model.config import TextConfig
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.vit import Block

WAYS = ("no adapters", "adapters")
LARGEST = 25
REPEATS = 2 if IS_TRIAL else 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=2 if IS_TRIAL else 16)
    parser.add_argument("--profile", action="store_true", help="the kernels of the towers with adapters")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.profile:
        kernels(options.batch, options.out)
        return
    found = {}
    for way in WAYS:
        release()
        found[way] = 1000 * replayed(work_of(way, options.batch))
        print(f"{way}: {found[way]:.2f} ms", flush=True)
    print(f"adapters cost {found['adapters'] - found['no adapters']:.2f} ms of the towers' {found['adapters']:.2f}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def kernels(batch: int, out: Path | None) -> None:
    """The largest kernels of one pass forward and backward, and all of them by kind."""
    work = work_of("adapters", batch, asks_pictures=False)
    print(f"{1000 * replayed(work):.2f} ms; in kernels, those at the same time each by itself:", flush=True)
    replay: Callable[[], object] = work
    if not IS_TRIAL:
        replay = captured(work)[0].replay
    replay()
    wait()
    with profile(activities=[ProfilerActivity.CPU if IS_TRIAL else ProfilerActivity.CUDA]) as looked:
        replay()
        wait()
    found = by_time(looked)
    for kind, (ms, count) in sorted(by_kind(found).items(), key=lambda one: -one[1][0]):
        print(f"{ms:9.3f} ms {count:6} x {kind}", flush=True)
    for one in found[:LARGEST]:
        print(f"{one['ms']:9.3f} ms {one['count']:6} x {one['kernel'][:130]}", flush=True)
    if out:
        out.write_text(json.dumps(found, indent=1) + "\n")


def replayed(work: Callable[[], Tensor]) -> float:
    """Seconds of one call: of several behind each other in a graph, where there are graphs."""
    if IS_TRIAL:
        return seconds(work, REPEATS)

    def all_repeats() -> None:
        for _ in range(REPEATS):
            work()

    warm_up(work, 3)
    graph, _ = captured(all_repeats)
    return seconds(graph.replay, 3) / REPEATS


def work_of(way: str, batch: int, *, asks_pictures: bool = True) -> Callable[[], Tensor]:
    """Both towers forward and backward."""
    torch.manual_seed(1)
    vla = OpenVLA(model_config()).to(DTYPE) if IS_TRIAL else towers_only()
    if way != "no adapters":
        add_lora(vla, rank=8 if IS_TRIAL else 32, is_fused=True).to(DEVICE)
    else:
        vla.requires_grad_(False)
    shadows = Shadows(vla, DTYPE) if way != "no adapters" else None
    if not IS_TRIAL:
        compile_blocks(vla)
        vla.vision_backbone.side_stream = side_stream(DEVICE)
    size = vla.config.image_size
    pixels = torch.randn(batch, 6, size, size, device=DEVICE, dtype=DTYPE, requires_grad=asks_pictures)
    shape = vla.vision_backbone(pixels).shape
    gradient = torch.randn(shape, device=DEVICE, dtype=DTYPE) / shape[-1]
    leaves = [*([pixels] if asks_pictures else []), *([] if shadows is None else shadowed(vla))]

    def work() -> Tensor:
        if shadows is not None:
            shadows.follow()
        found = torch.autograd.grad(vla.vision_backbone(pixels), leaves, gradient)
        return torch.cat([one.flatten() for one in (found[asks_pictures:] or found)])

    return work


def towers_only() -> OpenVLA:
    """The published towers in bf16, before a decoder of one layer."""
    return random_7b(replace(model_config(), text=TextConfig(num_hidden_layers=1)))


def linears(vla: OpenVLA) -> Iterator[FusedLoraLinear]:
    for block in blocks(vla):
        yield from (one for one in block.modules() if isinstance(one, FusedLoraLinear))


def blocks(vla: OpenVLA) -> Iterator[Block]:
    for tower in (vla.vision_backbone.featurizer, vla.vision_backbone.fused_featurizer):
        yield from (one for one in list(tower.blocks)[:-1] if isinstance(one, Block))


def shadowed(vla: OpenVLA) -> list[Tensor]:
    return [shadow for layer in linears(vla) for shadow in layer.shadows or ()]


if __name__ == "__main__":
    main()
