"""Runs that nobody looks after any more."""

import os
from pathlib import Path

import pytest
from fake_runs import HOST, FakeRun, failed_run, training_run
from vlad.records.rundir import Home
from vlad.supervise import locks
from vlatui.reading.orphans import OrphanWatch


@pytest.fixture
def run(home: Home) -> FakeRun:
    home.prepare()
    return training_run(home)


def test_a_run_is_told_after_two_looks_and_once_until_it_is_looked_after(home: Home, run: FakeRun) -> None:
    record, watch = run.directory.read_record(), OrphanWatch(home, HOST)
    assert watch.look([record]) == frozenset()
    assert watch.look([record]) == {record.run_id}
    assert watch.look([record]) == frozenset()
    keeper = locks.open_lock(run.directory.keeper_lock)
    assert locks.try_lock(keeper)
    assert watch.look([record]) == frozenset()
    os.close(keeper)
    assert [watch.look([record]) for _ in range(2)] == [frozenset(), {record.run_id}]


def test_runs_of_other_hosts_and_runs_that_have_ended_are_left_alone(home: Home, run: FakeRun, tmp_path: Path) -> None:
    ended, elsewhere = failed_run(home).directory.read_record(), run.directory.read_record()
    here, other = OrphanWatch(home, HOST), OrphanWatch(home, "another")
    for _ in range(3):
        assert here.look([ended]) == frozenset()
        assert other.look([elsewhere]) == frozenset()
