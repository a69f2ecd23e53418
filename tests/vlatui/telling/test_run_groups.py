"""Runs stand under the heading of their group."""

import pytest
from fake_runs import NOW
from vlad.records.home_view import RunView
from vlad.records.run import RunRecord, State
from vlad.records.summary import Summary
from vlatui.look.columns import Row
from vlatui.telling.run_groups import RunGroup, group_of, under_headings


def in_state(state: State) -> RunView:
    record = RunRecord(
        run_id="20261122-0931-a-7f3a", name="a", state=state, seq=1, created_at=NOW, updated_at=NOW, host="h"
    )
    return RunView(record, Summary())


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_group(state: State) -> None:
    expected = RunGroup.QUEUED if state is State.QUEUED else RunGroup.ENDED if state.is_final else RunGroup.LIVE
    assert group_of(in_state(state)) is expected


def told(*rows: tuple[RunGroup, str]) -> list[str]:
    shown = under_headings([(group, Row(key, {})) for group, key in rows])
    return ["".join(span.text for span in row.heading).strip() or row.key for row in shown]


def test_groups_stand_in_their_order_and_rows_keep_theirs() -> None:
    ended, live, queued = RunGroup.ENDED, RunGroup.LIVE, RunGroup.QUEUED
    assert told((ended, "c"), (live, "b"), (queued, "q"), (live, "a")) == [
        "Live 2", "b", "a", "Queued 1", "q", "Ended 1", "c",
    ]  # fmt: skip


def test_one_group_of_runs_has_no_heading_but_foreign_trainings_always_do() -> None:
    assert told((RunGroup.ENDED, "a"), (RunGroup.ENDED, "b")) == ["a", "b"]
    assert told((RunGroup.FOREIGN, "p")) == ["Not started by vlad 1", "p"]
    assert told() == []
