"""How long a run will still take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.policy.eta import Eta, estimate
from vlad.records.progress import Phase
from vlad.records.summary import Summary

CASES = {
    "nothing reported": (Summary(), None),
    "no end known": (Summary(step=3, typical_step_s=2.0), None),
    "before the first step": (Summary(step=0, max_steps=10), None),
    "steps only": (Summary(step=40, max_steps=100, typical_step_s=2.0), Eta(remaining_s=120.0)),
    "finished": (Summary(step=40, max_steps=100, typical_step_s=2.0, finished=True), None),
    "beyond the end": (Summary(step=101, max_steps=100, typical_step_s=2.0), Eta(remaining_s=0.0)),
    "evaluations and saves ahead": (
        Summary(
            step=50, max_steps=100, typical_step_s=1.0, eval_every_steps=50, save_steps=25, evaluating_s=30.0,
            saving_s=4.0,
        ),
        Eta(remaining_s=50 + 30 + 8),
    ),
    "an evaluation ahead of unknown duration": (
        Summary(step=50, max_steps=100, typical_step_s=1.0, eval_every_steps=50),
        Eta(remaining_s=50.0, is_lower_bound=True),
    ),
    "evaluations beside training are not waited for between steps": (
        Summary(
            step=50, max_steps=100, typical_step_s=1.0, eval_every_steps=25, evaluating_s=30.0, evaluates_beside=True
        ),
        Eta(remaining_s=50.0, is_lower_bound=True),
    ),
    "an evaluation beside training whose begin nobody waited for, and others after it": (
        Summary(
            step=100, max_steps=100, typical_step_s=1.0, phase=Phase.EVALUATING, phase_since=990.0, phase_first_done=5,
            phase_done=7, phase_total=10, phase_of_step=50, evaluates_beside=True,
        ),
        Eta(remaining_s=15.0, is_lower_bound=True),
    ),
    "the last evaluation beside training": (
        Summary(
            step=100, max_steps=100, typical_step_s=1.0, phase=Phase.EVALUATING, phase_since=990.0, phase_done=5,
            phase_total=10, phase_of_step=100, evaluates_beside=True,
        ),
        Eta(remaining_s=10.0),
    ),
    "longer than nothing tells nothing": (
        Summary(step=100, max_steps=100, typical_step_s=1.0, phase=Phase.EVALUATING, phase_since=1.0, phase_of_step=50),
        None,
    ),
    "a program that only evaluates": (
        Summary(step=100, phase=Phase.EVALUATING, phase_since=990.0, phase_done=5, phase_total=10),
        Eta(remaining_s=10.0),
    ),
    "a program that only evaluates and has not begun to": (
        Summary(step=100, phase=Phase.EVALUATING, phase_since=990.0, phase_done=0, phase_total=10), None,
    ),
    "evaluating, by its usual duration": (
        Summary(
            step=100, max_steps=100, typical_step_s=1.0, eval_every_steps=50, evaluating_s=30.0,
            phase=Phase.EVALUATING, phase_since=990.0,
        ),
        Eta(remaining_s=20.0),
    ),
    "evaluating, by its own count": (
        Summary(
            step=100, max_steps=100, typical_step_s=1.0, phase=Phase.EVALUATING, phase_since=990.0, phase_done=2,
            phase_total=10,
        ),
        Eta(remaining_s=40.0),
    ),
    "saving for longer than usual": (
        Summary(
            step=100, max_steps=100, typical_step_s=1.0, saving_s=5.0, phase=Phase.SAVING, phase_since=900.0
        ),
        Eta(remaining_s=0.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("summary", "expected"), CASES.values(), ids=CASES.keys())
def test_the_rest_is_estimated(summary: Summary, expected: Eta | None) -> None:
    assert estimate(summary, now=1000.0) == expected


@given(step=st.integers(0, 500), every=st.integers(1, 60), seconds=st.floats(0, 100))
def test_every_step_brings_the_end_nearer(step: int, every: int, seconds: float) -> None:
    def at(step: int) -> float:
        summary = Summary(
            step=step, max_steps=500, typical_step_s=1.0, eval_every_steps=every, evaluating_s=seconds
        )  # fmt: skip
        eta = estimate(summary, now=0.0)
        assert eta is not None
        return eta.remaining_s

    assert at(step + 1) <= at(step)
