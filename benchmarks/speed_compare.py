"""Two results of `gpu_bench.py` figure by figure: what has become slower or larger than it was."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed_table import NAMES, merged_steps

TOLERATED = 0.03
"""A worse median by this share counts, if it lies outside what was seen before."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, of which less is better, and the span in which its measurements lay."""

    value: float
    low: float
    high: float
    unit: str

    def is_worse_than(self, before: "Figure") -> bool:
        return self.value > before.value * (1 + TOLERATED) and self.value > before.high


def compared(old: Path, new: Path) -> tuple[str, bool]:
    """A table in Markdown of what both hold, and whether anything of ours is worse."""
    before, after = (json.loads(path.read_text()) for path in (old, new))
    known, found = dict(figures(before)), dict(figures(after))
    both = [name for name in found if name in known]
    worse = [name for name in both if NAMES["reference"] not in name and found[name].is_worse_than(known[name])]
    lines = [
        f"{_told(before)} beside {_told(after)}",
        "",
        "| figure | before | now | change | |",
        "|---|---|---|---|---|",
        *(_line(name, known[name], found[name], is_worse=name in worse) for name in both),
        "",
        *(f"No longer measured: {name}." for name in known if name not in found),
        f"{len(worse)} of {len(both)} figures are worse: {', '.join(worse)}." if worse else f"{len(both)}: none worse.",
    ]
    return "\n".join(lines), bool(worse)


def in_order(folder: Path) -> list[Path]:
    """The result that was measured last, behind those before it of the same card in their order."""
    found = sorted((_moment(path), path) for path in folder.glob("gpu-*.json"))
    return [path for _, path in found if _gpu(path) == _gpu(found[-1][1])]


def figures(found: dict[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Everything of a result that is better when it is less."""
    parts = found["parts"]
    for (batch, texts, who), row in sorted(merged_steps(parts).items()):
        name = f"step, {NAMES.get(who, who)}, batch {batch}, {texts} texts"
        yield name, _spread(row, "step_s")
        yield f"{name}: held", _alone(row["held_gb"], "GB")
    for row in parts.get("predict", []):
        name = f"answer, {NAMES.get(row['who'], row['who'])}, {row['rows']} rows"
        yield name, _spread(row, "answer_s")
    for row in parts.get("checkpoint", []):
        yield "a checkpoint's stall", _alone(row["stall_s"], "s")
    for row in parts.get("start", []):
        for name, seconds in row.items():
            if name.endswith("_s"):
                yield f"{row['who']} start, {name.removesuffix('_s')}", _alone(seconds, "s")
    for row in parts.get("scaling", []):
        if "step_s" in row:
            yield f"step on {row['gpus']} GPUs", _spread(row, "step_s")
    for row in parts.get("memory", []):
        if row["batch"]:
            yield f"{row['who']}: of {row['cap_gb']} GB for a sample", _alone(row["cap_gb"] / row["batch"], "GB")


def _spread(row: dict[str, Any], name: str) -> Figure:
    low, high = row["quartiles_s"]
    return Figure(row[name], low, high, "s")


def _alone(value: float, unit: str) -> Figure:
    """Of which no spread is known: it may differ by a tenth."""
    return Figure(value, 0.9 * value, 1.1 * value, unit)


def _line(name: str, before: Figure, now: Figure, *, is_worse: bool) -> str:
    change = 100 * (now.value / before.value - 1) if before.value else 0.0
    return (
        f"| {name} | {before.value:.4g} {before.unit} | {now.value:.4g} {now.unit} | {change:+.1f} % "
        f"| {'worse' if is_worse else ''} |"
    )


def _told(found: dict[str, Any]) -> str:
    machine = found["machine"]
    return f"{machine['gpu']}, torch {machine['torch']}, commit {machine['commit']}, {machine['at']}"


def _moment(path: Path) -> str:
    return str(json.loads(path.read_text())["machine"]["at"])


def _gpu(path: Path) -> str:
    return str(json.loads(path.read_text())["machine"]["gpu"])
