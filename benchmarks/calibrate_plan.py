"""Makes the constants of `vlad plan` of what benchmarks/measure_memory.py measured, and tells how far the plan is off.

    PYTHONPATH=supervisor:trainer:tests/support:benchmarks python benchmarks/calibrate_plan.py FILE… [--write]

Counts of kept values and the driver's own memory are taken as measured. The shares lost to fragments, without graphs
and with, and the four constants of time, are those with the smallest sum of squared relative errors over the settings
that they are of; what passes as graphs achieve is the median of theirs. What no file tells (with the levers only, say)
stays as it is. All files must be of one card. Prints a table in Markdown; --write replaces
trainer/vlatrain/planning/measured.json.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure_memory import SIZES, Found
from vlatrain.configuration.finetune import Precision
from vlatrain.configuration.memory import Checkpointing
from vlatrain.configuration.speed import BasePrecision
from vlatrain.planning.cards import Card, card_named
from vlatrain.planning.measured import FILE, Kept, Measured, as_json, measured
from vlatrain.planning.plan import Plan, plan
from vlatrain.planning.speed import step_operations
from vlatrain.planning.used import Way

TIMES: dict[str, Any] = {"launch_s": 0.004, "again_s": 0.004, "unhidden": 0.4, "achieved": 0.45}
FEWEST = len(TIMES)
"""Settings of the plain path: fewer do not tell the constants of time apart"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    told = [json.loads(path.read_text()) for path in options.files]
    if len(cards := {one["device"] for one in told}) > 1:
        parser.error(f"these files are of several cards: {', '.join(sorted(cards))}")
    found = [read(one) for part in told for one in part["settings"]]
    card = card_named(told[0]["device"])
    known = calibrated(told[0], found, card, measured())
    print(table(found, known, card))
    if options.write:
        FILE.write_text(as_json(known))


def read(one: dict[str, Any]) -> Found:
    level, precision = Checkpointing(one["activation_checkpointing"]), Precision(one["precision"])
    base = BasePrecision(one.get("base_precision", BasePrecision.BF16))
    return Found(**{**one, "activation_checkpointing": level, "precision": precision, "base_precision": base})


def calibrated(told: dict[str, Any], found: Sequence[Found], card: Card, before: Measured) -> Measured:
    """The constants of these settings; those of `before` where no setting tells them."""
    kept = told["kept"]
    known = replace(
        before,
        device=told["device"],
        torch=told["torch"],
        decoder={way: _kept(kept, "decoder", way) or known for way, known in before.decoder.items()},
        tower={way: _kept(kept, "tower", way) or known for way, known in before.tower.items()},
    )
    known = replayed(found, known, card)
    plain = [one for one in found if not one.levers]
    if len(plain) < FEWEST:
        return known
    known = replace(known, context_bytes=int(statistics.median(one.context_bytes for one in plain)))
    known = replace(known, fragments=lost_share(plain, replace(known, fragments=0.0), card))
    known = timed([one for one in plain if one.precision is not Precision.FP32], replace(known, **TIMES), card)
    for one in plain:
        if one.precision is Precision.FP32:
            known = slower_in_fp32(one, known, card)
    return known


def lost_share(found: Sequence[Found], known: Measured, card: Card) -> float:
    """The share of what is foretold without fragments that makes the smallest relative errors of peaks."""
    bare = [plan(one.config, SIZES, card, 1, known).account.total_bytes - known.context_bytes for one in found]
    shares = [one.peak_bytes - known.context_bytes for one in found]
    weights = [1 / one.peak_bytes**2 for one in found]
    lost = sum(w * b * (s - b) for w, b, s in zip(weights, bare, shares, strict=True))
    return round(lost / sum(w * b * b for w, b in zip(weights, bare, strict=True)), 4)


def replayed(found: Sequence[Found], known: Measured, card: Card) -> Measured:
    """What passes lose and achieve that are replayed as graphs; the second by how the base is kept."""
    captured = [one for one in found if plan(one.config, SIZES, card, 1, known).speed.is_replayed]
    if captured:
        known = replace(known, graph_fragments=lost_share(captured, replace(known, graph_fragments=0.0), card))
    for name, base in (("graph_achieved", BasePrecision.BF16), ("fp8_achieved", BasePrecision.FP8)):
        shares = [
            one.batch_size * step_operations(one.config, SIZES) / one.step_s / (card.tflops * 1e12)
            for one in captured
            if one.base_precision is base
        ]
        if shares:
            achieved: dict[str, Any] = {name: round(statistics.median(shares), 4)}
            known = replace(known, **achieved)
    return known


def _kept(kept: dict[str, Any], name: str, way: Way) -> Kept | None:
    """None where the file does not tell: files of before know two ways, by the name of their arithmetic."""
    values = kept.get(f"{name}, {way}") or (kept.get(f"{name}, bf16") if way is Way.MIXED else None)
    return Kept(*(round(values[one], 1) for one in ("width", "inner", "rank"))) if values else None


def timed(found: Sequence[Found], known: Measured, card: Card) -> Measured:
    """A pattern search: each constant up and down by a share that is halved when nothing is better."""

    def loss(candidate: Measured) -> float:
        plans = [plan(one.config, SIZES, card, 1, candidate) for one in found]
        return sum((made.speed.step_s / one.step_s - 1) ** 2 for made, one in zip(plans, found, strict=True))

    share = 0.3
    while share > 1e-4:
        better = min(_neighbours(known, share), key=loss)
        if loss(better) < loss(known):
            known = better
        else:
            share /= 2
    return replace(known, **{name: round(getattr(known, name), 5) for name in TIMES})


def _neighbours(known: Measured, share: float) -> list[Measured]:
    changed: Callable[[str, float], Measured] = lambda name, factor: replace(  # noqa: E731
        known, **{name: min(1.0, getattr(known, name) * factor)}
    )
    return [changed(name, factor) for name in TIMES for factor in (1 + share, 1 / (1 + share))]


def slower_in_fp32(one: Found, known: Measured, card: Card) -> Measured:
    """How many times as long as in 16 bits the device needs for the same operations."""
    mixed = plan(
        one.config, SIZES, card, 1, replace(known, unhidden=0, launch_s=0, again_s=0, fp32_slower=1)
    ).speed.step_s
    waited = plan(one.config, SIZES, card, 1, replace(known, achieved=1e9, unhidden=1)).speed.step_s * known.unhidden
    return replace(known, fp32_slower=round((one.step_s - waited) / mixed, 2))


def table(found: Sequence[Found], known: Measured, card: Card) -> str:
    lines = [
        "| setting | peak, GB | predicted | error | step, s | predicted | error |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        made: Plan = plan(one.config, SIZES, card, 1, known)
        total, step_s = made.account.total_bytes, made.speed.step_s
        lines.append(
            f"| {one.name} | {one.peak_bytes / 1e9:.1f} | {total / 1e9:.1f} | {_off(total, one.peak_bytes)} "
            f"| {one.step_s:.3f} | {step_s:.3f} | {_off(step_s, one.step_s)} |"
        )
    return "\n".join(lines)


def _off(foretold: float, found: float) -> str:
    return f"{100 * (foretold / found - 1):+.1f} %"


if __name__ == "__main__":
    main()
