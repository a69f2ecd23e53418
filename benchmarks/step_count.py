"""What one step of the small LIBERO recipes launches, moves and computes, counted on a CPU, by part of the step.

    PYTHONPATH=supervisor:trainer:tui:benchmarks python3 benchmarks/step_count.py

Operators that only look at memory are no launches. Bytes are those of all inputs and outputs of an operator, as if
nothing stayed in a cache; both they and the products grow with the batch by a straight line through two small ones. The
optimizer is the plain one, which on a GPU is one kernel and waits for nothing. The floors are what an H200 takes at
least: bytes over 4.8 TB/s, products over 400 TFLOP/s, 5 us of host for each launch.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from small_recipe import RECIPES, made_project, opened
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from vlatrain.data.resident import ResidentBatches
from vlatrain.model.openvla import ActionLogits
from vlatrain.train import step as steps
from vlatrain.train.averages import Averages
from vlatrain.train.ema import Ema

LOOKS = {"view", "_unsafe_view", "reshape", "permute", "transpose", "t", "expand", "slice", "select", "unsqueeze"}
LOOKS |= {
    "squeeze",
    "unbind",
    "split",
    "split_with_sizes",
    "chunk",
    "detach",
    "alias",
    "as_strided",
    "narrow",
    "unfold",
}
LOOKS |= {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "set_", "lift_fresh"}
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal"}
BYTES_PER_S, FLOP_PER_S, LAUNCH_S = 4.8e12, 400e12, 5e-6


@dataclass
class Part:
    launches: int = 0
    bytes: int = 0
    flop: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)


class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's gap
    """Everything that is launched, under the label of the moment."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's gap
        self.parts: dict[str, Part] = {}
        self._labels = ["rest"]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        part = self.parts.setdefault(self._labels[-1], Part())
        name = func._schema.name.removeprefix("aten::")
        has_bools = name in ("index", "index_put_") and any(_is_mask(one) for one in tree_leaves(args[1]))
        if name in WAITS or has_bools:
            part.waits[name] += 1
        if name in LOOKS or (name == "_to_copy" and out is args[0]):
            return out
        part.launches += 1
        tensors = {id(one): one for one in tree_leaves((args, kwargs, out)) if isinstance(one, Tensor)}
        moved = sum(one.numel() * one.element_size() for one in tensors.values())
        if name == "index":  # reads the places that it takes, and no more
            moved = 2 * out.numel() * out.element_size()
        part.bytes += moved
        part.operators[name] += moved
        if func._overloadpacket in flop_registry:
            part.flop += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out

    @contextmanager
    def labelled(self, label: str) -> Iterator[None]:
        self._labels.append(label)
        yield
        self._labels.pop()

    def wrapped(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            with self.labelled(label):
                return function(*args, **kwargs)

        return inner


def _is_mask(one: Any) -> bool:
    return isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8)


PARTS: tuple[tuple[Any, str, str], ...] = (
    (ResidentBatches, "at", "frames taken"),
    (steps, "augment", "augmentation"),
    (steps, "normalise", "normalisation"),
    (steps, "pixels", "pictures, rest"),
    (ActionLogits, "loss", "loss"),
    (ActionLogits, "metrics", "metrics"),
    (Averages, "add", "metrics"),
    (Tensor, "backward", "backward"),
    (torch.nn.utils, "clip_grad_norm_", "clip"),
    (Ema, "follow", "EMA"),
)


def counted(project: Path, recipe: str, batch: int) -> dict[str, Part]:
    settings = {"batch_size": batch, "device": "cpu", "precision": "bf16"}
    with opened(project, recipe, settings) as (session, feed), ExitStack() as stack:
        learner, count = session.learner, Count()
        steps.train_step(learner, feed, session.codec, session.config, 1)
        labels = [*PARTS, (learner.optimizer, "step", "optimizer"), (learner.optimizer, "zero_grad", "optimizer")]
        vla = learner.vla
        labels += [(vla.vision_backbone, "forward", "towers"), (vla.projector, "forward", "projector")]
        labels += [(vla.language_model.model, "forward", "decoder"), (vla.language_model, "logits", "head")]
        for owner, name, label in labels:
            stack.enter_context(patch.object(owner, name, _method(count, owner, name, label)))
        with count:
            steps.train_step(learner, feed, session.codec, session.config, 2)
        return count.parts


def _method(count: Count, owner: Any, name: str, label: str) -> Callable[..., Any]:
    return count.wrapped(getattr(owner, name), label)


def at_batch(few: dict[str, Part], many: dict[str, Part], sizes: tuple[int, int], batch: int) -> dict[str, Part]:
    """Bytes and products of `batch` samples; launches are those of any."""
    return {name: _grown(few[name], part, sizes, batch) for name, part in many.items()}


def _grown(one: Part, other: Part, sizes: tuple[int, int], batch: int) -> Part:
    def line(low: int, high: int) -> int:
        return round(low + (high - low) / (sizes[1] - sizes[0]) * (batch - sizes[0]))

    operators = Counter({name: line(one.operators[name], total) for name, total in other.operators.items()})
    flop, moved = line(one.flop, other.flop), line(one.bytes, other.bytes)
    return Part(other.launches, moved, flop, other.waits, operators)


def table(parts: dict[str, Part]) -> Iterator[str]:
    yield f"{'part':>16} launches       GB   TFLOP ms, bytes products   host  most bytes"
    total = Part()
    for name, part in sorted(parts.items(), key=lambda item: -item[1].bytes):
        yield _line(name, part)
        total = Part(total.launches + part.launches, total.bytes + part.bytes, total.flop + part.flop)
        if part.waits:
            yield f"{'':>16} waits for the device: {dict(part.waits)}"
    yield _line("in all", total)


def _line(name: str, part: Part) -> str:
    most = ", ".join(f"{name} {total / 1e9:.1f}" for name, total in part.operators.most_common(6))
    times = (1e3 * part.bytes / BYTES_PER_S, 1e3 * part.flop / FLOP_PER_S, 1e3 * part.launches * LAUNCH_S)
    told = f"{name:>16} {part.launches:>8} {part.bytes / 1e9:>8.2f} {part.flop / 1e12:>7.3f}"
    return f"{told} {times[0]:>9.2f} {times[1]:>8.2f} {times[2]:>6.1f}  {most}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="", help='of the model, as "--vision-depth 1"')
    parser.add_argument("--counted", type=int, nargs=2, default=(2, 4), help="batches that are counted")
    parser.add_argument("--batch", type=int, default=256)
    arguments = parser.parse_args()
    for told, recipe in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            project = made_project(Path(folder), recipe, arguments.sizes)
            few, many = (counted(project, recipe, batch) for batch in arguments.counted)
        print(f"\n{recipe} ({told}), batch {arguments.batch}")
        for line in table(at_batch(few, many, tuple(arguments.counted), arguments.batch)):
            print(line)


if __name__ == "__main__":
    main()
