"""What is asked before something is done is true of what it is done to."""

import os

import msgspec
import pytest
from fake_runs import NOW, nobody
from vlad.records.foreign import ForeignJob
from vlad.records.home_view import RunView
from vlad.records.progress import CheckpointSaved
from vlad.records.run import RunRecord, State
from vlad.records.spec import Kind
from vlad.records.summary import Summary
from vlatui.telling.questions import adopt_question, stop_question


def in_state(state: State, kind: Kind | None = Kind.TRAIN, name: str = "a", **summary: object) -> RunView:
    record = RunRecord(
        run_id=f"20261122-0931-{name}-7f3a", name=name, state=state, seq=1, created_at=NOW, updated_at=NOW, host="h"
    )
    return RunView(record, msgspec.structs.replace(Summary(), **summary), kind=kind)


@pytest.mark.parametrize(
    ("states", "promised"),
    [
        ([State.RUNNING], "A checkpoint is saved"),
        ([State.QUEUED], "It leaves the queue"),
        ([State.QUEUED, State.RUNNING], "A checkpoint is saved"),
    ],
)
def test_a_checkpoint_is_promised_only_where_a_run_has_begun(states: list[State], promised: str) -> None:
    _, lines = stop_question([in_state(state) for state in states], is_now=False)
    assert lines[0].startswith(promised)


def test_no_checkpoint_is_promised_of_a_command_of_others() -> None:
    _, lines = stop_question([in_state(State.RUNNING, Kind.COMMAND)], is_now=False)
    assert not any("checkpoint" in line or "Nothing is lost" in line for line in lines)
    assert "SIGTERM" in lines[0]
    _, lines = stop_question([in_state(State.QUEUED, Kind.COMMAND)], is_now=False)
    assert lines[0].startswith("It leaves the queue")


def test_of_a_trainer_and_a_command_each_is_told_what_becomes_of_it() -> None:
    runs = [in_state(State.RUNNING, name="ours"), in_state(State.RUNNING, Kind.COMMAND, "theirs")]
    title, lines = stop_question(runs, is_now=False)
    assert title == "Stop 2 runs?"
    assert lines[0].startswith("ours: A checkpoint is saved")
    assert lines[1].startswith("theirs: It is told to end")


def test_stopping_a_command_at_once_claims_no_checkpoint_that_it_has_not_told_of() -> None:
    _, lines = stop_question([in_state(State.RUNNING, Kind.COMMAND, step=40)], is_now=True)
    assert lines[1] == "a: what it has not saved by itself"
    saved = CheckpointSaved(at=NOW, step=30, path="/p", is_new=True)
    _, lines = stop_question([in_state(State.RUNNING, Kind.COMMAND, step=40, last_checkpoint=saved)], is_now=True)
    assert lines[1] == "a: 10 steps since the last checkpoint"


@pytest.mark.parametrize(
    ("tty", "told"),
    [
        ("pts/9", "Closing its terminal (pts/9) still ends it."),
        (None, "It has no terminal: closing one does not end it."),
    ],
)
def test_the_terminal_of_an_adopted_process_ends_it_only_where_it_has_one(tty: str | None, told: str) -> None:
    job = ForeignJob(
        process=nobody(4711), pids=(4711,), user=os.geteuid(), command=("python", "a.py"), started_at=NOW, tty=tty
    )
    title, lines = adopt_question(job)
    assert title == "Adopt process 4711?"
    assert lines[-1] == told
