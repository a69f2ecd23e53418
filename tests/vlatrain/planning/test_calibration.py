"""benchmarks/calibrate_plan.py: constants found again from settings that were foretold with them."""

from dataclasses import replace
from typing import Any

import pytest
from calibrate_plan import calibrated, read
from measure_memory import SETTINGS, SIZES, WITH_LEVERS, Found, Setting, configured
from vlatrain.configuration.speed import BasePrecision
from vlatrain.planning.cards import CARDS
from vlatrain.planning.measured import Kept, Measured, measured
from vlatrain.planning.plan import plan

H200 = CARDS["H200"]
SHARES: dict[str, Any] = {"fragments": 0.03, "graph_fragments": 0.12, "launch_s": 0.003}
RATES: dict[str, Any] = {"achieved": 0.5, "graph_achieved": 0.6, "fp8_achieved": 0.8}
OTHER = replace(measured(), **SHARES, **RATES)


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
    assert known.graph_achieved == measured().graph_achieved


def test_with_levers_only_the_plain_path_keeps_its_constants() -> None:
    replayed = [found(setting, levers=True) for setting in WITH_LEVERS]
    known = calibrated(told(measured()), replayed, H200, measured())
    assert (known.graph_achieved, known.fp8_achieved) == pytest.approx((0.6, 0.8), abs=1e-3)
    assert known.graph_fragments == pytest.approx(0.12, abs=1e-3)
    levers_own: dict[str, Any] = {"graph_achieved": 0.1, "fp8_achieved": 0.1, "graph_fragments": 0.1, "torch": ""}
    assert replace(known, **levers_own) == replace(measured(), **levers_own)


def test_files_without_a_base_precision_are_read() -> None:
    old = {"batch_size": 1, "lora_rank": 16, "activation_checkpointing": "none", "precision": "bf16"}
    numbers = {"peak_bytes": 1, "context_bytes": 1, "step_s": 1.0}
    assert read({**old, **numbers}).base_precision is BasePrecision.BF16
