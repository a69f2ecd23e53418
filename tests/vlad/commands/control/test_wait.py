"""vlad wait: ends with the run, and with its outcome."""

from typing import Any

import pytest
from command_line import Story, Vlad
from supervised_runs import Lab
from vlad.records.run import State

WAITS = {
    "succeeded": (State.SUCCEEDED, {"code": 0}, 0),
    "stopped": (State.STOPPED, {"signal": 15}, 130),
    "failed by code": (State.FAILED, {"code": 7}, 7),
    "failed by signal": (State.FAILED, {"signal": 9}, 137),
    "failed, exit unknown": (State.FAILED, {}, 1),
}


@pytest.mark.parametrize(("state", "how", "code"), WAITS.values(), ids=WAITS.keys())
def test_waiting_exits_with_the_outcome(vlad: Vlad, lab: Lab, state: State, how: dict[str, Any], code: int) -> None:
    story = Story(lab, "waited").attempt()
    if state is State.STOPPED:
        story.moved(State.STOPPING)
    story.ended(**how).moved(state)
    assert vlad("wait", "waited").code == code


def test_waiting_gives_up_after_its_time(vlad: Vlad, training: Story) -> None:
    answer = vlad("wait", "spatial", "--timeout", "0")
    assert answer.code == 124
    assert "not all have ended" in answer.err
