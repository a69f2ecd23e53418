"""What is asked before a run is stopped is true of that run."""

import pytest
from fake_runs import NOW
from vlad.records.home_view import RunView
from vlad.records.run import RunRecord, State
from vlad.records.summary import Summary
from vlatui.telling.questions import stop_question


def in_state(state: State) -> RunView:
    record = RunRecord(
        run_id="20261122-0931-a-7f3a", name="a", state=state, seq=1, created_at=NOW, updated_at=NOW, host="h"
    )
    return RunView(record, Summary())


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
