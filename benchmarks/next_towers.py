"""What both towers take of a step, and what their adapters cost: as they are, as columns of the weights, and without.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_towers.py [--batch 16]

About a minute on an H200, most of it compiling. Forward and backward of the two towers alone, blocks compiled, as one
graph, one tower beside the other, as in training. The adapters as further columns are `grouped_lora`'s, with the biases
that towers have; nothing of the trainer does that for towers yet. On a CPU both ways are compared, in small.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gpu_models import random_7b
from next_shapes import replayed
from speed_place import DEVICE, DTYPE, IS_TRIAL, model_config, release
from torch import Tensor
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.grouping import grouped
from vlatrain.fast.shadows import Shadows
from vlatrain.fast.streams import side_stream
from vlatrain.model.config import TextConfig
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.grouped_lora import Group
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.vit import Block

WAYS = ("no adapters", "adapters", "adapters as columns")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=2 if IS_TRIAL else 16)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = {}
    for way in WAYS:
        release()
        seconds, gradient = measured(way, options.batch)
        found[way] = 1000 * seconds
        print(f"{way}: {1000 * seconds:.2f} ms, gradient {gradient.float().norm():.6g}", flush=True)
    print(f"adapters cost {found['adapters'] - found['no adapters']:.2f} ms of the towers' {found['adapters']:.2f}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def measured(way: str, batch: int) -> tuple[float, Tensor]:
    """Seconds of both towers, and the sum of all adapters' gradients (of the pictures' without adapters)."""
    torch.manual_seed(1)
    vla = OpenVLA(model_config()).to(DTYPE) if IS_TRIAL else towers_only()
    if way != "no adapters":
        add_lora(vla, rank=8 if IS_TRIAL else 32, is_fused=True).to(DEVICE)
        nudge(vla)
    else:
        vla.requires_grad_(False)
    shadows = Shadows(vla, DTYPE) if way != "no adapters" else None
    if way == "adapters as columns" and shadows is not None:
        group_towers(vla, shadows)
    if not IS_TRIAL:
        compile_blocks(vla)
        vla.vision_backbone.side_stream = side_stream(DEVICE)
    size = vla.config.image_size
    pixels = torch.randn(batch, 6, size, size, device=DEVICE, dtype=DTYPE, requires_grad=True)
    shape = vla.vision_backbone(pixels).shape
    gradient = torch.randn(shape, device=DEVICE, dtype=DTYPE) / shape[-1]
    leaves = [pixels, *([] if shadows is None else shadowed(vla))]

    def work() -> Tensor:
        if shadows is not None:
            shadows.follow()
        found = torch.autograd.grad(vla.vision_backbone(pixels), leaves, gradient)
        return torch.cat([one.flatten() for one in (found[1:] or found)])

    seconds = replayed(work)
    return seconds, work().detach()


def towers_only() -> OpenVLA:
    """The published towers in bf16, before a decoder of one layer."""
    return random_7b(replace(model_config(), text=TextConfig(num_hidden_layers=1)))


def nudge(vla: OpenVLA) -> None:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in linears(vla):
            for master in layer.masters:
                master.add_(0.02 * torch.randn(master.shape, generator=generator).to(master.device))


def linears(vla: OpenVLA) -> Iterator[FusedLoraLinear]:
    for block in blocks(vla):
        yield from (one for one in block.modules() if isinstance(one, FusedLoraLinear))


def blocks(vla: OpenVLA) -> Iterator[Block]:
    for tower in (vla.vision_backbone.featurizer, vla.vision_backbone.fused_featurizer):
        yield from (one for one in list(tower.blocks)[:-1] if isinstance(one, Block))


def shadowed(vla: OpenVLA) -> list[Tensor]:
    return [shadow for layer in linears(vla) for shadow in layer.shadows or ()]


class WithBias:
    """A group of one linear, and its bias, which the compiler adds where the output is read."""

    def __init__(self, group: Group, bias: Tensor) -> None:
        self._group, self._bias = group, bias

    def __call__(self, inputs: Tensor) -> Tensor:
        return self._group(inputs) + self._bias


def group_towers(vla: OpenVLA, shadows: Shadows) -> None:
    for layer in linears(vla):
        group: Any = grouped([layer], shadows)
        bias = layer.base_layer.bias
        assert isinstance(bias, Tensor)
        layer.grouped = WithBias(group, bias)


if __name__ == "__main__":
    main()
