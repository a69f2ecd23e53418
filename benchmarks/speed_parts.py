"""What `gpu_bench.py` measures, part by part: each prints lines as it goes and returns what the table is made of."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from reference_stack import made_base
from speed_answers import measure_ours, measure_reference
from speed_steps import (
    BF16,
    DEVICE,
    FP8,
    PLAIN,
    REFERENCE,
    Contender,
    Setting,
    codec_7b,
    line,
    made_batches,
    measured,
    profiled,
    release,
)
from torch.multiprocessing.spawn import spawn
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.distributed import Ranks
from vlatrain.model.config import OpenVLAConfig
from vlatrain.train.learner import build_learner
from vlatrain.train.staging import Staging
from vlatrain.train.step import rehearse

SMALL, LARGE = Setting(16), Setting(32)
UNEQUAL = Setting(16, has_equal_texts=False)


def steps(has_profile: bool) -> list[dict[str, Any]]:
    """Batch 16, the sides in turns, twice."""
    found = in_turns(SMALL, [REFERENCE, PLAIN, BF16, FP8]) + in_turns(SMALL, [REFERENCE, BF16, FP8])
    if has_profile:
        found += [{"who": one.name, "profile": profiled(one, SMALL)} for one in (BF16, FP8)]
    return found


def unequal(_: bool) -> list[dict[str, Any]]:
    """Batch 16, texts of 26 to 42 tokens."""
    return in_turns(UNEQUAL, [REFERENCE, BF16, FP8])


def large(_: bool) -> list[dict[str, Any]]:
    """Batch 32."""
    return in_turns(LARGE, [REFERENCE, BF16, FP8])


def in_turns(setting: Setting, contenders: list[Contender]) -> list[dict[str, Any]]:
    found = []
    for contender in contenders:
        found.append(measured(contender, setting, steps=8))
        print(line(found[-1]), flush=True)
    return found


def answers(_: bool) -> list[dict[str, Any]]:
    """The reference answers one row at a time, as the published class does."""
    found = measure_reference()
    found += measure_ours("plain", (1, 16), is_captured=False)
    return found + measure_ours("ours", is_compiled=True)


def checkpoint(_: bool) -> dict[str, Any]:
    """How long a step waits for the copy of what a checkpoint holds: adapters of rank 32 and AdamW's moments."""
    release()
    tensors = [torch.randn(110_828_288, device=DEVICE) for _ in range(3)]
    parts = {str(number): list(tensor.chunk(874)) for number, tensor in enumerate(tensors)}
    staging, times = Staging(), []
    for _number in range(6):
        torch.cuda.synchronize()
        started = time.perf_counter()
        staging.copied(parts)
        times.append(time.perf_counter() - started)
    found = {"size_gb": staging.size_bytes / 1e9, "stall_s": statistics.median(times[1:]), "first_s": times[0]}
    print(f"a checkpoint of {found['size_gb']:.2f} GB stalls {1000 * found['stall_s']:.1f} ms")
    return found


def start(_: bool) -> dict[str, Any]:
    """Weights from the disk to the GPU, then a first pass with everything compiled and captured, twice."""
    release()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = made_base(Path(folder), OpenVLAConfig(), "cuda")
        for name in ("first", "second"):
            release()
            torch._dynamo.reset()
            config, began = FinetuneConfig(batch_size=16), time.perf_counter()
            learner = build_learner(config, base, None, Ranks(), DEVICE)
            loaded = time.perf_counter()
            rehearse(learner, next(made_batches(SMALL, 1)), codec_7b(), config)
            torch.cuda.synchronize()
            found[name] = {"load_s": loaded - began, "compile_and_capture_s": time.perf_counter() - loaded}
            print(f"{name} start: {found[name]}", flush=True)
            del learner
    return found


def scaling(_: bool) -> list[dict[str, Any]]:
    """The same step on each number of GPUs of this machine, each with its own batch."""
    found = []
    count = 1
    while count <= torch.cuda.device_count():
        found.append(_on(count))
        print(f"{count} GPUs: {found[-1]['step_s']:.4f} s/step, {found[-1]['samples_per_s']:.1f} samples/s", flush=True)
        count *= 2
    return found


def _on(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.pt"
        spawn(_rank, (count, str(out)), nprocs=count)  # type: ignore[no-untyped-call]  # torch's gap
        found: dict[str, Any] = torch.load(out)
    return found | {"gpus": count, "samples_per_s": count * SMALL.batch / found["step_s"]}


def _rank(rank: int, count: int, out: str) -> None:
    torch.cuda.set_device(rank)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29513"}
    dist.init_process_group("nccl", rank=rank, world_size=count, device_id=torch.device("cuda", rank))
    found = measured(BF16, SMALL, steps=16, device=torch.device("cuda", rank))
    dist.destroy_process_group()
    if rank == 0:
        torch.save({"step_s": found["step_s"], "quartiles_s": found["quartiles_s"]}, out)


PARTS: Mapping[str, Callable[[bool], Any]] = {
    "step": steps,
    "predict": answers,
    "unequal": unequal,
    "checkpoint": checkpoint,
    "large": large,
    "start": start,
    "scaling": scaling,
}
