"""Runs stand under the heading of their group."""

import pytest
from fake_runs import NOW
from vlad.records.home_view import RunView
from vlad.records.run import RunRecord, State
from vlad.records.summary import Summary
from vlatui.look.columns import Row
from vlatui.telling.run_groups import RunGroup, group_of, placed, under_headings


def in_state(state: State, run_id: str = "20261122-0931-a-7f3a", part_of: str | None = None) -> RunView:
    record = RunRecord(
        run_id=run_id, name="a", state=state, seq=1, created_at=NOW, updated_at=NOW, host="h", part_of=part_of
    )
    return RunView(record, Summary())


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_group(state: State) -> None:
    expected = RunGroup.QUEUED if state is State.QUEUED else RunGroup.ENDED if state.is_final else RunGroup.LIVE
    assert group_of(in_state(state)) is expected


@pytest.mark.parametrize(
    ("has_headings", "below"),
    [(True, {"part", "of part", "ended part"}), (False, {"part", "of part", "queued", "ended part"})],
)
def test_parts_are_below_their_run_where_nothing_stands_between(has_headings: bool, below: set[str]) -> None:
    runs = [
        in_state(State.RUNNING, "other part", "whole"),
        in_state(State.RUNNING, "whole"),
        in_state(State.RUNNING, "part", "whole"),
        in_state(State.STARTING, "of part", "part"),
        in_state(State.QUEUED, "queued", "whole"),
        in_state(State.SUCCEEDED, "ended part", "whole"),
        in_state(State.FAILED, "between"),
        in_state(State.FAILED, "ended", "whole"),
    ]
    found = placed(runs, has_headings=has_headings)
    assert {run.run_id for _, run, is_below in found if is_below} == below
    assert [group for group, run, _ in found if run.run_id == "ended part"] == [RunGroup.LIVE]


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
