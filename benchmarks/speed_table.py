"""The table of docs/speed.md, made of one result of `gpu_bench.py`."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marked_page import replace_between

PAGE = Path(__file__).parent.parent / "docs" / "speed.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NAMES = {
    "reference": "public libraries, plain loop",
    "plain": "ours, all levers off",
    "bf16": "ours",
    "fp8": "ours, fp8",
    "bf16, not joint": "ours, `joint_gradients: off`",
    "bf16, not grouped": "ours, `grouped_lora: off`",
    "fp8, grouped": "ours, fp8, `grouped_lora: on`, `fp8_kernels: off`",
    "fp8, no kernels": "ours, fp8, `fp8_kernels: off`",
    "ours": "ours, `answer_kernels: off`",
    "ours, kernels": "ours",
    "ours, fp8, kernels": "ours, fp8",
    "ours, fp8, no copies": "the same without merged copies of the decoder",
}
Side = tuple[int, str, str]
"""Batch, texts, and who trains"""
STEP_PARTS = ("step", "levers", "unequal", "large")


def write_table(results: Sequence[Path], page: Path = PAGE) -> None:
    """Replaces what stands between the two marks of the page. Each part is that of its last result."""
    replace_between(page, BEGIN, END, table([json.loads(path.read_text()) for path in results]))
    print(f"{page}: table of {', '.join(path.name for path in results)}")


def table(results: Sequence[dict[str, Any]]) -> str:
    """The last one's parts, and those of the ones before that no later one tells of."""
    *older, found = results
    machine, parts = found["machine"], dict(found["parts"])
    told, kept = {*parts, *found.get("not_measured", {})}, ""
    for one in reversed(older):
        lacking = {name: rows for name, rows in one["parts"].items() if name not in told}
        kept += f" Of commit {one['machine']['commit']}: {', '.join(sorted(lacking))}." if lacking else ""
        parts |= lacking
        told |= {*lacking}
    lines = [
        f"{machine['gpu']}, torch {machine['torch']}, transformers {machine['transformers']}, peft {machine['peft']}, "
        f"commit {machine['commit']}, {machine['at']} UTC; medians, quartiles in brackets.{kept}",
        "",
    ]
    lines += _steps(merged_steps(parts))
    lines += _answers(parts["predict"]) if "predict" in parts else []
    lines += _rest(parts)
    lines += [f"{part}: {why}." for part, why in found.get("not_measured", {}).items()]
    return "\n".join(lines).strip()


def merged_steps(parts: dict[str, Any]) -> dict[Side, dict[str, Any]]:
    """All rounds of each side that a result holds, as one row."""
    rounds: dict[Side, list[dict[str, Any]]] = defaultdict(list)
    for row in (row for name in STEP_PARTS for row in parts.get(name, [])):
        if "step_s" in row:
            rounds[row["batch"], row["texts"], row["who"]].append(row)
    return {key: _median(found) for key, found in rounds.items()}


def _steps(merged: dict[Side, dict[str, Any]]) -> list[str]:
    lines = [
        "| batch, texts | trained by | s/step | samples/s | TFLOP/s | GB held | times as fast |",
        "|---|---|---|---|---|---|---|",
    ]
    for (batch, texts, who), row in sorted(merged.items(), key=lambda one: (one[0][0], one[0][1])):
        reference = merged.get((batch, texts, "reference"))
        times = f"{reference['step_s'] / row['step_s']:.2f}" if reference else "-"
        low, high = row["quartiles_s"]
        lines.append(
            f"| {batch}, {texts} | {NAMES.get(who, who)} | {row['step_s']:.4f} ({low:.4f} to {high:.4f}) "
            f"| {row['samples_per_s']:.1f} | {row['reference_tflop_per_s']:.0f} | {row['held_gb']:.1f} | {times} |"
        )
    return [*lines, ""]


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several rounds of one side: the middle of their medians, the widest of their quartiles."""
    names = ("step_s", "samples_per_s", "reference_tflop_per_s", "held_gb")
    low, high = (pick(row["quartiles_s"][at] for row in rounds) for at, pick in ((0, min), (1, max)))
    return {name: statistics.median(row[name] for row in rounds) for name in names} | {"quartiles_s": [low, high]}


def _answers(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| rows together | answered by | ms | actions/s |", "|---|---|---|---|"]
    lines += [
        f"| {row['rows']} | {NAMES.get(row['who'], row['who'])} | {1000 * row['answer_s']:.1f} "
        f"| {row['actions_per_s']:.1f} |"
        for row in sorted(rows, key=lambda one: one["rows"])
    ]
    return [*lines, ""]


def _rest(parts: dict[str, Any]) -> list[str]:
    """What needs no table, a line each; they are a paragraph of the page."""
    lines = [
        f"A checkpoint ({one['size_gb']:.2f} GB) holds training up for {1000 * one['stall_s']:.1f} ms."
        for one in parts.get("checkpoint", [])
    ]
    lines += [_start(one) for one in parts.get("start", [])]
    lines += [
        f"Fed by the loader, a step takes {one['from_loader_s']:.4f} s ({one['who']}), from memory "
        f"{one['from_memory_s']:.4f}; it waits {1000 * one['waited_s'][0]:.2f} ms for a batch."
        for one in parts.get("feeding", [])
        if "waited_s" in one
    ]
    lines += [
        f"In {one['cap_gb']} GB ({one['who']}) batch {one['batch']} trains; `vlad plan` says {one['planned']}."
        for one in parts.get("memory", [])
    ]
    return lines + _scaling(parts.get("scaling", [])) + _kernels(parts.get("kernels", []))


def _start(row: dict[str, Any]) -> str:
    parts = [f"{name.removesuffix('_s')} {seconds:.1f}" for name, seconds in row.items() if name.endswith("_s")]
    return f"The {row['who']} start, seconds: {', '.join(parts)}."


def _scaling(rows: list[dict[str, Any]]) -> list[str]:
    """Samples a second by GPUs; of one alone nothing."""
    if len(rows) < 2:
        return []
    alone = next((one["samples_per_s"] for one in rows if one["gpus"] == 1 and "step_s" in one), None)
    lines = []
    for one in rows:
        if "step_s" not in one:
            lines.append(f"{one['gpus']} GPUs: not measured.")
        else:
            share = f", {100 * one['samples_per_s'] / one['gpus'] / alone:.1f} % a GPU of one's" if alone else ""
            lines.append(f"{one['gpus']} GPUs: {one['samples_per_s']:.1f} samples/s{share}.")
    return lines


def _kernels(rows: list[dict[str, Any]]) -> list[str]:
    """Milliseconds of a step by kind of kernel, beside the least that the card's own rates allow."""
    kinds = {one["who"]: one["by_kind"] for one in rows if "by_kind" in one}
    if not kinds:
        return []
    least: dict[str, float] = next((one["least_ms"] for one in rows if "least_ms" in one), {})
    names = sorted(
        {kind for one in kinds.values() for kind in one},
        key=lambda kind: -max(_ms(one, kind) for one in kinds.values()),
    )
    lines = ["", "| ms in kernels | " + " | ".join(kinds) + " | at least |", "|---" * (len(kinds) + 2) + "|"]
    for name in names:
        floor = f"{least[name]:.0f}" if name in least else "-"
        lines.append(f"| {name} | " + " | ".join(f"{_ms(one, name):.1f}" for one in kinds.values()) + f" | {floor} |")
    return [*lines, ""]


def _ms(kinds: dict[str, Any], kind: str) -> float:
    return float(kinds.get(kind, (0.0, 0))[0])
