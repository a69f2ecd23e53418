"""benchmarks/calibrate_plan.py: constants found again from settings that were foretold with them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calibrate_plan import calibrated, read
from measure_memory import SETTINGS, SIZES, WITH_LEVERS, Found, Setting, configured
from vlatrain.configuration.speed import BasePrecision
from vlatrain.planning.cards import CARDS
from vlatrain.planning.measured import Kept, Measured, Pace, measured
from vlatrain.planning.plan import plan
from vlatrain.planning.used import Launching

H200 = CARDS["H200"]
PACES = {
    Launching.SINGLE: replace(measured().paces[Launching.SINGLE], launch_s=0.003, achieved=0.5),
    Launching.COMPILED: Pace(launch_s=0.002, again_s=0.003, unhidden=0.2, achieved=0.6),
    Launching.REPLAYED: Pace(launch_s=0.0004, again_s=0.0, unhidden=0.5, achieved=0.6),
}
OTHER = replace(measured(), fragments=0.03, graph_fragments=0.12, paces=PACES, fp8_achieved=0.8)
KEPT = Path(__file__).parents[3] / "benchmarks" / "results" / "plan-levers.json"


def told(known: Measured) -> dict[str, Any]:
    def kept(one: Kept) -> dict[str, float]:
        return {"width": one.width, "inner": one.inner, "rank": one.rank}

    kinds = {"decoder": known.decoder, "tower": known.tower}
    counts = {f"{name}, {way}": kept(one) for name, kind in kinds.items() for way, one in kind.items()}
    return {"device": "NVIDIA H200", "torch": "a version", "kept": counts}


def found(setting: Setting, *, levers: bool) -> Found:
    """What a card would measure whose constants are OTHER."""
    made = plan(configured(*setting, levers=levers), SIZES, H200, 1, OTHER)
    base = setting[4] if len(setting) == 5 else BasePrecision.BF16
    return Found(*setting[:4], made.account.total_bytes, OTHER.context_bytes, made.speed.step_s, levers, base)


def test_what_was_measured_is_foretold_afterwards() -> None:
    plain = [found(setting, levers=False) for setting in SETTINGS]
    known = calibrated(told(OTHER), plain, H200, measured())
    for one in plain:
        made = plan(one.config, SIZES, H200, 1, known)
        assert made.account.total_bytes == pytest.approx(one.peak_bytes, rel=0.01)
        assert made.speed.step_s == pytest.approx(one.step_s, rel=0.02)
    assert known.paces[Launching.REPLAYED] == measured().paces[Launching.REPLAYED]


def test_with_levers_only_the_plain_path_keeps_its_constants() -> None:
    replayed = [found(setting, levers=True) for setting in WITH_LEVERS]
    known = calibrated(told(measured()), replayed, H200, measured())
    for one in replayed:
        made = plan(one.config, SIZES, H200, 1, known)
        assert made.speed.step_s == pytest.approx(one.step_s, rel=0.02)
    assert known.fp8_achieved == pytest.approx(0.8, abs=0.02)
    assert known.graph_fragments == pytest.approx(0.12, abs=1e-3)
    assert known.paces[Launching.SINGLE] == measured().paces[Launching.SINGLE]
    assert known.fragments == measured().fragments


def test_the_constants_that_ship_foretell_what_one_h200_measured_with_the_levers() -> None:
    """Batches of 1 to 64, a base in fp8, blocks computed again: memory within 5 %, time within 2 %."""
    told = json.loads(KEPT.read_text())
    for one in map(read, told["settings"]):
        made = plan(one.config, SIZES, H200, 1)
        assert made.account.total_bytes == pytest.approx(one.peak_bytes, rel=0.05), one.name
        assert made.speed.step_s == pytest.approx(one.step_s, rel=0.02), one.name


def test_files_without_a_base_precision_are_read() -> None:
    old = {"batch_size": 1, "lora_rank": 16, "activation_checkpointing": "none", "precision": "bf16"}
    numbers = {"peak_bytes": 1, "context_bytes": 1, "step_s": 1.0}
    assert read({**old, **numbers}).base_precision is BasePrecision.BF16
