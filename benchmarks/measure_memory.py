"""Peaks of memory and times of the trainer's own step, the 7B with random weights on this GPU.

    PYTHONPATH=supervisor:trainer:tui:tests/support python3 benchmarks/measure_memory.py --out memory.json

Prints each beside what `vlad plan` predicts now; benchmarks/calibrate_plan.py makes the plan's constants of the file.
The peak is everything that the process holds on the device at its largest moment. Takes about two minutes on an H200
(--levers four), and 15 GB of disk for a while. The file is written after each setting: a run that is cut short counts.
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kept_values import kept_values
from made_base import config_of, made_base
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing
from vlatrain.configuration.speed import BasePrecision, Switch
from vlatrain.data.batches import IGNORED, Batch
from vlatrain.distributed import Ranks
from vlatrain.model.codec import Codec
from vlatrain.model.config import OpenVLAConfig
from vlatrain.planning.cards import CARDS, card_here
from vlatrain.planning.plan import plan
from vlatrain.planning.sizes import sizes_of
from vlatrain.train.learner import Learner, build_learner
from vlatrain.train.step import model_inputs, train_step

TEXT_TOKENS = 34
PICTURE = 256
NONE, BLOCKS, FULL = Checkpointing
BF16, FP16, FP32 = Precision.BF16, Precision.FP16, Precision.FP32
Setting = tuple[int, int, Checkpointing, Precision] | tuple[int, int, Checkpointing, Precision, BasePrecision]
SETTINGS: list[Setting] = [
    (1, 16, NONE, BF16),
    (2, 16, NONE, BF16),
    (4, 32, NONE, BF16),
    (8, 32, NONE, BF16),
    (16, 32, NONE, BF16),
    (32, 32, NONE, BF16),
    (2, 16, BLOCKS, BF16),
    (16, 32, BLOCKS, BF16),
    (32, 32, BLOCKS, BF16),
    (2, 16, FULL, BF16),
    (16, 32, FULL, BF16),
    (64, 32, FULL, BF16),
    (8, 32, NONE, FP16),
    (4, 32, NONE, FP32),
]
FP8 = BasePrecision.FP8
WITH_LEVERS: list[Setting] = [
    (16, 32, NONE, BF16),
    (16, 32, NONE, BF16, FP8),
    (4, 32, NONE, BF16),
    (32, 32, NONE, BF16),
    (16, 32, FULL, BF16),
    (1, 16, NONE, BF16),
    (16, 32, BLOCKS, BF16),
    (8, 32, NONE, BF16),
    (32, 32, NONE, BF16, FP8),
    (64, 32, FULL, BF16),
]
PLAIN: dict[str, Any] = {"fused_lora": Switch.OFF, "compile": Switch.OFF, "cuda_graph": Switch.OFF}
SIZES = sizes_of(OpenVLAConfig(), TEXT_TOKENS)


@dataclass(frozen=True)
class Found:
    """One setting: bytes at the largest moment, bytes that are no tensor's, and seconds of a step."""

    batch_size: int
    lora_rank: int
    activation_checkpointing: Checkpointing
    precision: Precision
    peak_bytes: int
    context_bytes: int
    step_s: float
    levers: bool = False
    base_precision: BasePrecision = BasePrecision.BF16

    @property
    def config(self) -> FinetuneConfig:
        setting = (self.batch_size, self.lora_rank, self.activation_checkpointing, self.precision, self.base_precision)
        return configured(*setting, levers=self.levers)

    @property
    def name(self) -> str:
        level = self.activation_checkpointing
        again = "" if level is Checkpointing.NONE else f", {level} again"
        levers = ", levers" if self.levers else ""
        base = ", fp8 base" if self.base_precision is BasePrecision.FP8 else ""
        return f"batch {self.batch_size}, r={self.lora_rank}, {self.precision}{again}{base}{levers}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--levers", action="store_true", help="with the levers of speed that the trainer takes itself")
    parser.add_argument("--base", type=Path, help="model folder as made_base.made_base leaves it")
    options = parser.parse_args()
    told = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "kept": dict(kept_values())}
    print(json.dumps(told))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        base = options.base or made_base(Path(folder), config_of("7b"), "cuda")
        for setting in WITH_LEVERS if options.levers else SETTINGS:
            found = measured(base, configured(*setting, levers=options.levers))
            print(line(found), flush=True)
            results.append(asdict(found))
            if options.out:
                options.out.write_text(json.dumps({**told, "settings": results}, indent=1) + "\n")


def configured(
    batch_size: int,
    rank: int,
    level: Checkpointing,
    precision: Precision,
    base_precision: BasePrecision = BasePrecision.BF16,
    *,
    levers: bool = False,
) -> FinetuneConfig:
    switches = {} if levers else PLAIN
    return FinetuneConfig(
        base_precision=base_precision,
        batch_size=batch_size,
        lora_rank=rank,
        activation_checkpointing=level,
        precision=precision,
        learning_rate=1e-4,
        **switches,
    )


def line(found: Found) -> str:
    made = plan(found.config, SIZES, card_here() or CARDS["H200"], 1)
    foretold = made.account.total_bytes
    return (
        f"{found.name:34} peak {found.peak_bytes / 1e9:6.2f} GB, predicted {foretold / 1e9:6.2f} "
        f"({100 * (foretold / found.peak_bytes - 1):+.1f} %); step {found.step_s:.3f} s, "
        f"predicted {made.speed.step_s:.3f} ({100 * (made.speed.step_s / found.step_s - 1):+.1f} %)"
    )


def measured(base: Path, config: FinetuneConfig, warm_up: int = 3, steps: int = 5) -> Found:
    """Trains a few steps with a learner of its own, each waited for, as a run does that logs each step."""
    release()
    torch.cuda.reset_peak_memory_stats()
    learner = build_learner(config, base, None, Ranks(), torch.device("cuda"))
    times = list(_steps(learner, Codec.from_folder(base), config, warm_up + steps))[warm_up:]
    free, total = torch.cuda.mem_get_info()
    context = total - free - torch.cuda.memory_reserved()
    held = context + torch.cuda.max_memory_reserved()
    del learner
    release()
    return Found(
        config.batch_size,
        config.lora_rank,
        config.activation_checkpointing,
        config.precision,
        peak_bytes=held,
        context_bytes=context,
        step_s=statistics.median(times),
        levers=config.fused_lora is not Switch.OFF,
        base_precision=config.base_precision,
    )


def release() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _steps(learner: Learner, codec: Codec, config: FinetuneConfig, count: int) -> Iterator[float]:
    batch = a_batch(codec, config.batch_size)
    for number in range(count):
        torch.cuda.synchronize()
        started = time.perf_counter()
        train_step(learner, iter([model_inputs(learner, batch, codec, config)]), codec, config, number)
        learner.taken()(Ranks(), number + 1)
        torch.cuda.synchronize()
        yield time.perf_counter() - started


def a_batch(codec: Codec, rows: int) -> Batch:
    """Pictures of 256 x 256 and texts of one length, in page-locked memory as from the loader."""
    rng = np.random.default_rng(5)
    images: Any = rng.integers(0, 256, (rows, PICTURE, PICTURE, 3), dtype=np.uint8)
    ids = torch.from_numpy(rng.integers(3, 31_000, (rows, TEXT_TOKENS)))
    ids[:, -8:-1] = torch.from_numpy(codec.actions.encode(rng.uniform(-1, 1, (rows, 7))))
    labels = torch.where(torch.arange(TEXT_TOKENS) >= TEXT_TOKENS - 8, ids, IGNORED)
    lengths = torch.full((rows,), TEXT_TOKENS)
    return Batch(torch.from_numpy(images), ids, labels, lengths, np.arange(rows)).pinned()


if __name__ == "__main__":
    main()
