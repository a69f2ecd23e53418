"""The evaluation that goes on, folded from what a run reports."""

from collections.abc import Sequence

import pytest
from vlad.records.progress import (
    CheckpointSaved,
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    ProgressLine,
    Step,
    TaskEvaluated,
    Warned,
)
from vlad.records.run import Attempt, RunRecord, State
from vlatui.reading.under_way import UnderWay, followed, still_going, without_result


def evaluating(at: float, step: int = 4, done: int = 0, attempt: int = 1) -> PhaseChange:
    return PhaseChange(at=at, attempt=attempt, phase=Phase.EVALUATING, step=step, done=done, total=4)


def through(at: float, step: int = 4, attempt: int = 1) -> TaskEvaluated:
    return TaskEvaluated(at=at, attempt=attempt, step=step, suite="s", task="t", successes=1, episodes=2)


def after(*lines: ProgressLine) -> UnderWay | None:
    under_way = None
    for line in lines:
        under_way = followed(under_way, line)
    return under_way


def test_it_is_timed_from_its_begin_and_keeps_its_tasks() -> None:
    lines: Sequence[ProgressLine] = (evaluating(1), evaluating(5, done=2), through(5), evaluating(7, done=3))
    assert after(*lines) == UnderWay(1, 4, 1, 3, 4, (through(5),))


def test_an_evaluation_beside_training_is_of_the_step_of_its_checkpoint() -> None:
    told = [
        PhaseChange(at=at, phase=Phase.EVALUATING, step=60, of_step=of_step, done=at, total=9)
        for at, of_step in ((1, 20), (2, 20), (4, 40))
    ]
    assert after(*told[:2]) == UnderWay(1, 20, 1, 2, 9)
    assert after(*told) == UnderWay(1, 40, 4, 4, 9)


@pytest.mark.parametrize(
    "line",
    [
        PhaseChange(at=9, phase=Phase.SAVING, step=4),
        PhaseChange(at=9, attempt=2, phase=Phase.LOADING),
        Plan(at=9, attempt=2),
        Step(at=9, step=5),
        Finished(at=9, step=4),
    ],
    ids=lambda line: f"{type(line).__name__} {getattr(line, 'phase', '')}",
)
def test_another_phase_a_step_a_start_and_an_end_say_that_none_goes_on(line: ProgressLine) -> None:
    assert after(evaluating(1), through(5), line) is None


@pytest.mark.parametrize(
    "line", [Warned(at=9, message="m"), CheckpointSaved(at=9, step=4, path="/p")], ids=lambda line: type(line).__name__
)
def test_what_is_said_meanwhile_ends_nothing(line: ProgressLine) -> None:
    assert after(evaluating(1), line) == after(evaluating(1))


@pytest.mark.parametrize(
    "again", [evaluating(9, attempt=2), evaluating(9, step=6), evaluating(9)], ids=["attempt", "step", "same step"]
)
def test_one_that_begins_anew_has_nothing_of_the_one_before(again: PhaseChange) -> None:
    assert after(evaluating(1), evaluating(2, done=2), through(2), again) == UnderWay(
        again.attempt, again.step, 9, 0, 4
    )


@pytest.mark.parametrize(("step", "at", "is_over"), [(4, 8.0, True), (2, 8.0, False), (4, 0.5, False)])
def test_it_is_over_when_its_own_result_is_there(step: int, at: float, is_over: bool) -> None:
    result = Evaluation(at=at, step=step, suite="s", successes=0, episodes=4, success_rate=0, low=0, high=49)
    assert (without_result(after(evaluating(1)), [result]) is None) == is_over


@pytest.mark.parametrize(
    ("state", "attempts", "goes_on"),
    [
        (State.RUNNING, 1, True),
        (State.STOPPING, 1, True),
        (State.BACKOFF, 1, False),
        (State.RUNNING, 2, False),
        (State.FAILED, 1, False),
        (State.STOPPED, 1, False),
    ],
)
def test_it_goes_on_only_while_the_attempt_does_that_told_of_it(state: State, attempts: int, goes_on: bool) -> None:
    begun = tuple(Attempt(number=number + 1, started_at=1) for number in range(attempts))
    record = RunRecord(run_id="r", name="n", created_at=1, updated_at=1, state=state, attempts=begun, host="h", seq=1)
    assert (still_going(after(evaluating(1)), record) is not None) == goes_on
    assert still_going(None, record) is None
    assert still_going(after(evaluating(1)), None) is None
