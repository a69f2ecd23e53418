"""The page that tells why a run ended."""

from typing import Any

import msgspec
import pytest
from fake_runs import NOW
from vlad.policy.advice import Advice
from vlad.records.home_view import RunView
from vlad.records.outcome import Cause, Diagnosis, Evidence, Exit
from vlad.records.run import Attempt, RunRecord, State
from vlad.records.summary import Summary
from vlatui.telling.why import why_lines

KILLED = Diagnosis(
    cause=Cause.KILLED, confidence="unknown", summary="rank 1 was killed", advice=Advice.NOT_OUT_OF_MEMORY
)


def page(state: State, *ends: Diagnosis | None, width: int = 200, **more: Any) -> str:
    """The page of a run in this state whose attempts ended so; None for one that goes on."""
    attempts = tuple(
        Attempt(number=number, started_at=NOW, exit=Exit(at=NOW, signal=9) if end else None, diagnosis=end)
        for number, end in enumerate(ends, 1)
    )
    record = RunRecord(
        run_id="r", name="a", state=state, seq=1, created_at=NOW, updated_at=NOW, host="h", attempts=attempts, **more
    )
    lines = why_lines(RunView(record, Summary()), NOW, width)
    return " ".join("".join(span.text for span in line).removeprefix("▌ ") for line in lines)


@pytest.mark.parametrize("width", [30, 60, 100])
def test_advice_is_told_to_its_end_at_any_width(width: int) -> None:
    told = page(State.FAILED, KILLED, width=width)
    assert f"→ {Advice.NOT_OUT_OF_MEMORY}" in told
    assert "…" not in told


def test_no_resume_is_advised_for_an_end_that_the_run_went_on_from() -> None:
    running, waiting = page(State.RUNNING, KILLED, None), page(State.BACKOFF, KILLED)
    assert "Attempt 1 · it was restarted" in running
    assert "Attempt 1 · it will be restarted" in waiting
    for told in (running, waiting):
        assert told.endswith("no kill for lack of memory")


def test_a_resume_is_advised_once_for_the_end_that_was_the_last() -> None:
    failed = page(State.FAILED, KILLED, KILLED)
    assert failed.count(Advice.RESUME) == 1
    assert failed.index(Advice.RESUME) < failed.index("Attempt 1 · it was restarted")
    stopping = page(State.STOPPING, KILLED, stop_requested=True)
    assert "restarted" not in stopping
    assert stopping.endswith(Advice.RESUME)


def test_where_a_resume_was_all_nothing_is_left_to_do() -> None:
    told = page(State.BACKOFF, msgspec.structs.replace(KILLED, advice=Advice.RESUME))
    assert "→" not in told


def test_a_run_that_went_on_says_how_it_stands_and_each_file_of_evidence_is_named_once() -> None:
    places = tuple(Evidence(file="attempts/1/console.log", offset=offset, text="step") for offset in (10, 20))
    quoted = msgspec.structs.replace(KILLED, evidence=places)
    stopped = page(State.STOPPED, quoted, None, why="asked to stop")
    assert stopped.startswith("a  ■ stopped")
    assert stopped.index("asked to stop") < stopped.index("Attempt 1")
    assert stopped.count("console.log") == 1
    assert page(State.FAILED, quoted).startswith("Attempt 1")
