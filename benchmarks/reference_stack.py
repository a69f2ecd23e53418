"""Trains OpenVLA twice from the same weights and data: by this project, and by a plain loop over public libraries.

    PYTHONPATH=supervisor:trainer:tui python3 benchmarks/reference_stack.py --size mid --precision bf16 --device cuda

Prints how far the two loss curves are apart, and the time of a step and the peak of memory of each.
Sizes: tiny and mid are drawn at random and train for real; 7b is for times (random weights, a few steps).
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_base import INSTRUCTIONS, config_of, made_base
from reference_model import Reference, copy_adapter
from torch import Tensor
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.data.batches import Batch, pad_right
from vlatrain.distributed import Ranks
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec
from vlatrain.model.lora import adapter_tensors
from vlatrain.model.lora_targets import TargetSet, targets
from vlatrain.model.openvla import IGNORED
from vlatrain.train.learner import DTYPES, Learner, build_learner
from vlatrain.train.step import model_inputs, pixels, train_step


@dataclass(frozen=True)
class Curve:
    """What one side did: losses, seconds of each step, peak bytes on a GPU."""

    losses: list[float]
    step_s: list[float]
    peak_bytes: int | None

    @property
    def median_s(self) -> float:
        return statistics.median(self.step_s[len(self.step_s) // 4 :])


@dataclass(frozen=True)
class Comparison:
    """Both curves of one setting."""

    ours: Curve
    reference: Curve

    @property
    def largest_difference(self) -> float:
        return max(abs(one - other) for one, other in zip(self.ours.losses, self.reference.losses, strict=True))

    @property
    def mean_difference(self) -> float:
        pairs = zip(self.ours.losses, self.reference.losses, strict=True)
        return statistics.fmean(one - other for one, other in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "mid", "7b"], default="tiny")
    parser.add_argument("--towers", choices=["timm", "transformers"], default="timm")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--equal-texts", action="store_true", help="all texts of one length")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    config = FinetuneConfig(
        batch_size=options.batch,
        lora_rank=options.rank,
        learning_rate=options.learning_rate,
        max_steps=options.steps,
        precision=Precision(options.precision),
        image_aug=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        base = made_base(Path(folder), config_of(options.size), options.device)
        found = compare(base, config, torch.device(options.device), options.towers, equal_texts=options.equal_texts)
    print(report(found))
    if options.out:
        told = {"setting": {name: str(value) for name, value in vars(options).items()}, **asdict(found)}
        options.out.write_text(json.dumps(told) + "\n")


def report(found: Comparison) -> str:
    lines = []
    for name, curve in (("reference", found.reference), ("ours", found.ours)):
        peak = f", peak {curve.peak_bytes / 1e9:.2f} GB" if curve.peak_bytes else ""
        first, last = curve.losses[0], curve.losses[-1]
        lines.append(f"{name:>9}: loss {first:.4f} to {last:.4f}, {curve.median_s:.4f} s a step{peak}")
    speed_up = found.reference.median_s / found.ours.median_s
    lines.append(
        f"losses differ by {found.largest_difference:.2e} at most, {found.mean_difference:+.2e} in the mean; "
        f"ours is {speed_up:.2f} times as fast"
    )
    return "\n".join(lines)


def compare(
    base: Path, config: FinetuneConfig, device: torch.device, towers: str, *, equal_texts: bool = False
) -> Comparison:
    """Trains ours, then the reference from the same weights, adapters and batches."""
    codec = Codec.from_folder(base)
    batches = list(_batches(codec, config, equal_texts=equal_texts))
    learner = build_learner(config, base, None, Ranks(), device)
    start = {name: tensor.detach().clone() for name, tensor in adapter_tensors(_adapted(learner)).items()}
    ours = _timed(config.max_steps, device, _our_step(learner, batches, codec, config))
    del learner
    _release(device)
    reference = _reference(base, config, device, towers, start)
    theirs = _timed(config.max_steps, device, _reference_step(*reference, batches, codec, config, device))
    return Comparison(ours, theirs)


def _adapted(learner: Learner) -> Any:
    assert learner.adapted is not None
    return learner.adapted


def _our_step(
    learner: Learner, batches: list[Batch], codec: Codec, config: FinetuneConfig
) -> Callable[[int], Callable[[], float]]:
    def step(number: int) -> Callable[[], float]:
        inputs = model_inputs(learner, batches[number % len(batches)], codec, config)
        train_step(learner, iter([inputs]), codec, config, number)
        loss = learner.averages.sums[0].clone()
        learner.averages.clear()
        return lambda: float(loss)

    return step


def _reference(
    base: Path, config: FinetuneConfig, device: torch.device, towers: str, start: dict[str, Tensor]
) -> tuple[Any, torch.optim.Optimizer]:
    ours = load_base(base, device, DTYPES[config.precision])
    with device:
        reference = Reference(ours.config, towers).to(DTYPES[config.precision])
    reference.load(ours.state_dict())
    adapted = reference.adapted(targets(ours, TargetSet.LIVE), config.lora_rank, min(config.lora_rank, 16)).to(device)
    copy_adapter(start, reference, adapted)
    del ours
    _release(device)
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    return adapted.train(), torch.optim.AdamW(trained, lr=config.learning_rate)


def _reference_step(
    adapted: Any,
    optimizer: torch.optim.Optimizer,
    batches: list[Batch],
    codec: Codec,
    config: FinetuneConfig,
    device: torch.device,
) -> Callable[[int], Callable[[], float]]:
    dtype = DTYPES[config.precision]
    return lambda number: reference_step(adapted, optimizer, batches[number % len(batches)], codec, dtype, device)


def reference_step(
    adapted: Any,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    codec: Codec,
    dtype: torch.dtype,
    device: torch.device,
) -> Callable[[], float]:
    """The original's loop: autocast, loss over all places, accuracy read on the CPU in each step. Tells the loss."""
    batch = batch.to(device)
    with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
        output = adapted(
            pixel_values=pixels(batch, codec, augmentation_seed=None, dtype=dtype),
            input_ids=batch.input_ids,
            attention_mask=(batch.input_ids != codec.prompts.pad_token_id).long(),
            labels=batch.labels,
        )
    output.loss.backward()
    places = output.logits.shape[1] - batch.labels.shape[1]
    best, wanted = output.logits[:, places:-1].argmax(dim=2), batch.labels[:, 1:]
    is_action = wanted > codec.actions.first_id - 1
    ((best == wanted) & is_action).sum().float().div(is_action.sum()).item()
    loss = output.loss.item()
    optimizer.step()
    optimizer.zero_grad()
    return lambda: loss


def _timed(steps: int, device: torch.device, step: Callable[[int], Callable[[], float]]) -> Curve:
    """Runs the steps; losses are read after the clock has stopped."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    losses, times = [], []
    for number in range(steps):
        _wait(device)
        started = time.perf_counter()
        loss = step(number)
        _wait(device)
        times.append(time.perf_counter() - started)
        losses.append(loss())
    return Curve(losses, times, torch.cuda.max_memory_allocated() if device.type == "cuda" else None)


def _batches(codec: Codec, config: FinetuneConfig, *, equal_texts: bool, count: int = 8) -> Iterator[Batch]:
    """A few batches, seen again and again, so that they are learned by heart: texts of unequal length."""
    rng = np.random.default_rng(3)
    for number in range(count):
        images = rng.integers(0, 256, (config.batch_size, 96, 96, 3), dtype=np.uint8)
        rows = []
        for row in range(config.batch_size):
            instruction = INSTRUCTIONS[0 if equal_texts else (number + row) % len(INSTRUCTIONS)]
            rows.append(codec.prompts.training_ids(instruction, codec.actions.encode(rng.uniform(-1, 1, 7)).tolist()))
        yield Batch(
            torch.from_numpy(images),
            pad_right([ids for ids, _ in rows], codec.prompts.pad_token_id),
            pad_right([labels for _, labels in rows], IGNORED),
            torch.tensor([len(ids) for ids, _ in rows]),
            np.arange(number * config.batch_size, (number + 1) * config.batch_size),
        )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _release(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
