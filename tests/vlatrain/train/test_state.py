"""vlatrain.train.state: what is due, what is owed, and the learning rate."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from vlad.policy.early_stop import EarlyStop, EarlyStopPolicy
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.train.evaluating import owes_evaluation
from vlatrain.train.state import TrainState, is_due, learning_rate

POLICY = EarlyStopPolicy(patience=2, min_delta=1)


@pytest.mark.parametrize(
    "state",
    [
        TrainState(),
        TrainState(step=5, position=40),
        TrainState(step=5, position=40).evaluated(33.333333333333336, POLICY).stepped(8),
    ],
)
def test_survives_json_exactly(state: TrainState) -> None:
    assert TrainState.from_dict(json.loads(json.dumps(state.to_dict(), allow_nan=False))) == state


def test_counts_steps_and_samples() -> None:
    assert TrainState().stepped(8).stepped(8) == TrainState(step=2, position=16)


def test_knows_whether_this_very_step_is_the_best() -> None:
    state = TrainState().stepped(1)
    assert not state.is_best
    state = state.evaluated(50, POLICY)
    assert (state.is_best, state.best_step) == (True, 1)
    assert not state.stepped(1).is_best
    worse = state.stepped(1).evaluated(40, POLICY)
    assert (worse.is_best, worse.best_step) == (False, 1)
    assert worse.early_stop == EarlyStop(best=50, best_step=1, bad_evaluations=1)


def test_due_at_every_multiple_and_at_the_last_step_but_not_before_the_first() -> None:
    assert [step for step in range(11) if is_due(step, 4, 10)] == [4, 8, 10]


def owing(**settings: object) -> FinetuneConfig:
    wanted = {"save_steps": 2, "eval_every_steps": 4, "max_steps": 10, "enable_periodic_eval": True, **settings}
    return FinetuneConfig(**wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "evaluated_step", "settings", "expected"),
    [
        pytest.param(4, -1, {}, True, id="due"),
        pytest.param(4, 4, {}, False, id="done already, as after a resume"),
        pytest.param(8, 4, {}, True, id="the one before was done"),
        pytest.param(6, 4, {}, False, id="only a save is due"),
        pytest.param(10, 8, {}, True, id="the last step"),
        pytest.param(4, -1, {"enable_periodic_eval": False}, False, id="not wanted"),
        pytest.param(0, -1, {}, False, id="not before the first step"),
        pytest.param(0, -1, {"eval_at_start": True}, True, id="before the first step where wanted"),
        pytest.param(0, 0, {"eval_at_start": True}, False, id="once before the first step"),
    ],
)
def test_owes_each_scheduled_evaluation_once(
    step: int, evaluated_step: int, settings: dict[str, object], expected: bool
) -> None:
    assert owes_evaluation(owing(**settings), TrainState(step=step, evaluated_step=evaluated_step)) is expected


def rates(steps: int, **settings: float) -> list[float]:
    wanted: dict[str, Any] = {"peak": 1.0, "lowest": 0.1, "warmup_steps": 0, "max_steps": 10, **settings}
    return [learning_rate(step, is_cosine=bool(wanted.get("cosine")), **_without(wanted)) for step in range(steps)]


def _without(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "cosine"}


def test_the_rate_is_constant_without_a_schedule() -> None:
    assert rates(3) == [1.0, 1.0, 1.0]


def test_the_rate_warms_up_linearly_and_never_from_zero() -> None:
    assert rates(6, warmup_steps=4) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_cosine_falls_from_the_peak_to_the_lowest_rate() -> None:
    told = rates(11, cosine=1)
    assert told[0] == 1.0
    assert told[5] == pytest.approx((1.0 + 0.1) / 2)
    assert told[10] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in pairwise(told))


def test_the_cosine_begins_after_the_warm_up_and_stays_low_after_the_end() -> None:
    told = rates(15, cosine=1, warmup_steps=4)
    assert told[3:5] == [1.0, 1.0]
    assert told[7] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2)
    assert told[10:] == pytest.approx([0.1] * 5)
