"""The filter of the runs, applied to trainings that vlad did not start."""

from dataclasses import replace

import msgspec
import pytest
from dashboards import Runs
from vlad.records.foreign import ForeignJob
from vlad.records.home_view import HomeReader
from vlad.records.outcome import ProcessIdentity
from vlad.records.rundir import Home
from vlatui.look.columns import Row
from vlatui.telling.run_filter import RunFilter, RunSort, arranged
from vlatui.telling.run_rows import run_row

JOB = ForeignJob(
    process=ProcessIdentity(pid=7, start_ticks=1, boot_id="b"), pids=(7,), user=0,
    command=("python", "/srv/Finetune_spatial.py"), started_at=0.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True), ("finetune", True), ("SPATIAL", True), ("demo", False), ("live", True), ("foreign spatial", True),
        ("foreign demo", False), ("failed", False), ("ended", False), ("success>80", False), ("suite:spatial", False),
    ],
)  # fmt: skip
def test_a_foreign_training_is_found_by_its_command_and_hidden_by_what_only_runs_have(
    text: str, expected: bool
) -> None:
    assert RunFilter(text).matches_foreign(JOB) is expected


def text_of(row: Row) -> str:
    return "".join(span.text for span in row.cells["name"])


def test_parts_follow_their_run_by_age_and_are_found_by_its_name(runs: Runs, home: Home) -> None:
    live = HomeReader(home).read().live
    whole, first = live[-1], live[0]
    part = replace(first, record=msgspec.structs.replace(first.record, part_of=whole.run_id))
    listed = [part, *live[1:]]
    assert arranged(listed, RunSort.NEWEST) == [*live[1:], part]
    assert RunFilter(whole.record.name).matches(part)
    assert text_of(run_row(part, 0)) == f"{first.record.name} of {whole.record.name}"
    assert text_of(run_row(part, 0, is_below=True)) == f"└ {first.record.name}"


@pytest.mark.parametrize(("text", "name"), [("fail", "failed"), ("succ", "succeeded"), ("sto", "stopped")])
def test_the_beginning_of_a_state_finds_its_runs(runs: Runs, home: Home, text: str, name: str) -> None:
    found = [run.run_id for run in HomeReader(home).read().runs if RunFilter(text).matches(run)]
    assert found == [runs[name].run_id]
