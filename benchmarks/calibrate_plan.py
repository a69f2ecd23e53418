"""Makes the constants of `vlad plan` of what benchmarks/measure_memory.py measured, and tells how far the plan is off.

    PYTHONPATH=supervisor:trainer:tests/support:benchmarks python benchmarks/calibrate_plan.py FILE… [--write]

Counts of kept values and the driver's own memory are taken as measured. The shares lost to fragments, without graphs
and with, and the constants of time, are those with the smallest sum of squared relative errors over the settings that
they are of. Compiled blocks achieve the same whether they are replayed or not. What no file tells (with the levers
only, say) stays as it is. All files must be of one card. Prints a table in Markdown; --write replaces
trainer/vlatrain/planning/measured.json.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from measure_memory import SIZES, Found
from vlatrain.configuration.finetune import Precision
from vlatrain.configuration.memory import Checkpointing
from vlatrain.configuration.speed import BasePrecision
from vlatrain.planning.cards import Card, card_named
from vlatrain.planning.measured import FILE, Kept, Measured, Pace, as_json, measured
from vlatrain.planning.plan import Plan, plan
from vlatrain.planning.speed import launch_time
from vlatrain.planning.used import Launching, Way, launching_of, used_on

BEGINS = {
    Launching.SINGLE: Pace(launch_s=0.004, again_s=0.004, unhidden=0.4, achieved=0.45),
    Launching.COMPILED: Pace(launch_s=0.004, again_s=0.004, unhidden=0.4, achieved=0.45),
    Launching.REPLAYED: Pace(launch_s=0.0004, again_s=0.0, unhidden=0.4, achieved=0.45),
}
"""Where the search for the constants of time begins"""
TIMES = {
    Launching.SINGLE: ("launch_s", "again_s", "unhidden", "achieved"),
    Launching.COMPILED: ("launch_s", "again_s", "unhidden"),
    Launching.REPLAYED: ("launch_s", "unhidden", "achieved"),
}
"""What is searched for; as many settings at least, since fewer do not tell these constants apart"""


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
    by_launching = {way: [one for one in found if launching(one, card) is way] for way in Launching}
    captured, plain = by_launching[Launching.REPLAYED], by_launching[Launching.SINGLE]
    if captured:
        known = replace(known, graph_fragments=lost_share(captured, replace(known, graph_fragments=0.0), card))
    if len(plain) >= len(TIMES[Launching.SINGLE]):
        known = replace(known, context_bytes=int(statistics.median(one.context_bytes for one in plain)))
        known = replace(known, fragments=lost_share(plain, replace(known, fragments=0.0), card))
    for way in (Launching.SINGLE, Launching.REPLAYED, Launching.COMPILED):
        known = timed(by_launching[way], known, card, way)
    for one in found:
        if one.precision is Precision.FP32:
            known = slower_in_fp32(one, known, card)
    return known


def launching(one: Found, card: Card) -> Launching:
    return launching_of(used_on(card, one.config, one.precision, 1))


def lost_share(found: Sequence[Found], known: Measured, card: Card) -> float:
    """The share of what is foretold without fragments that makes the smallest relative errors of peaks."""
    bare = [plan(one.config, SIZES, card, 1, known).account.total_bytes - known.context_bytes for one in found]
    shares = [one.peak_bytes - known.context_bytes for one in found]
    weights = [1 / one.peak_bytes**2 for one in found]
    lost = sum(w * b * (s - b) for w, b, s in zip(weights, bare, shares, strict=True))
    return round(lost / sum(w * b * b for w, b in zip(weights, bare, strict=True)), 4)


def _kept(kept: dict[str, Any], name: str, way: Way) -> Kept | None:
    """None where the file does not tell: files of before know two ways, by the name of their arithmetic."""
    values = kept.get(f"{name}, {way}") or (kept.get(f"{name}, bf16") if way is Way.MIXED else None)
    return Kept(*(round(values[one], 1) for one in ("width", "inner", "rank"))) if values else None


def timed(found: Sequence[Found], known: Measured, card: Card, way: Launching) -> Measured:
    """The constants of time of one way to launch; those that are known where the settings do not tell."""
    whole = [one for one in found if one.precision is not Precision.FP32 and one.base_precision is BasePrecision.BF16]
    if len(whole) >= len(TIMES[way]):
        begin = replace(BEGINS[way], achieved=known.paces[Launching.REPLAYED].achieved)
        known = searched(whole, _with(known, way, begin if way is Launching.COMPILED else BEGINS[way]), card, way)
    eighths = [one for one in found if one.base_precision is BasePrecision.FP8]
    if way is not Launching.REPLAYED or not eighths:
        return known
    rates = [replace(known, fp8_achieved=round(0.3 + 0.0001 * step, 4)) for step in range(7000)]
    return min(rates, key=lambda candidate: loss(eighths, candidate, card))


def searched(found: Sequence[Found], known: Measured, card: Card, way: Launching) -> Measured:
    """A pattern search: each constant up and down by a share that is halved when nothing is better."""
    share = 0.3
    while share > 1e-4:
        better = min(_neighbours(known, way, share), key=lambda candidate: loss(found, candidate, card))
        if loss(found, better, card) < loss(found, known, card):
            known = better
        else:
            share /= 2
    return _with(known, way, Pace(**{name: round(value, 5) for name, value in asdict(known.paces[way]).items()}))


def loss(found: Sequence[Found], known: Measured, card: Card) -> float:
    """The sum of squared relative errors of the times of these settings."""
    plans = [plan(one.config, SIZES, card, 1, known) for one in found]
    return sum((made.speed.step_s / one.step_s - 1) ** 2 for made, one in zip(plans, found, strict=True))


def _neighbours(known: Measured, way: Launching, share: float) -> list[Measured]:
    pace = known.paces[way]
    factors = (1 + share, 1 / (1 + share))
    return [
        _with(known, way, replace(pace, **{name: min(1.0, getattr(pace, name) * factor)}))
        for name in TIMES[way]
        for factor in factors
    ]


def _with(known: Measured, way: Launching, pace: Pace) -> Measured:
    return replace(known, paces={**known.paces, way: pace})


def slower_in_fp32(one: Found, known: Measured, card: Card) -> Measured:
    """How many times as long as in 16 bits the device needs for the same operations."""
    way = launching(one, card)
    pace = known.paces[way]
    at_once = _with(replace(known, fp32_slower=1), way, replace(pace, launch_s=0, again_s=0))
    device_s = plan(one.config, SIZES, card, 1, at_once).speed.step_s
    waited_s = pace.unhidden * launch_time(one.config, SIZES, pace)
    return replace(known, fp32_slower=round((one.step_s - waited_s) / device_s, 2))


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
