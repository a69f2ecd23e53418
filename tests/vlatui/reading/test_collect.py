"""The reading thread: tells what changed, once, and fails in words."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fake_runs import FakeRun, training_run
from patience import PATIENCE_S, until_ended
from textual.message import Message
from vlad.records import home_view as snapshot
from vlad.records.rundir import Home, RunDirectory
from vlatui.reading.collect import Collector
from vlatui.reading.messages import DetailRead, HomeRead, ReadFailed
from vlatui.sites.local import LocalSite


@contextmanager
def collecting(home: Home) -> Iterator[tuple[Collector, "queue.SimpleQueue[Message]"]]:
    told: queue.SimpleQueue[Message] = queue.SimpleQueue()
    collector = Collector(LocalSite(home), told.put)
    thread = threading.Thread(target=collector.run, daemon=True)
    thread.start()
    yield collector, told
    collector.stop()
    until_ended(thread)


def test_the_home_and_the_selected_run_are_told(home: Home, runs: dict[str, RunDirectory]) -> None:
    with collecting(home) as (collector, told):
        collector.look()
        first = told.get(timeout=PATIENCE_S)
        assert isinstance(first, HomeRead)
        assert len(first.view.runs) == 6
        collector.select(runs["training"].run_id)
        second = told.get(timeout=PATIENCE_S)
        assert isinstance(second, DetailRead)
        assert second.detail.run_id == runs["training"].run_id


def test_an_ended_part_is_listed_as_long_as_it_is_selected_and_no_longer(home: Home) -> None:
    home.prepare()
    whole, part = training_run(home).directory.run_id, "20261122-1000-eval-0000"
    FakeRun(home, part, age_s=100, part_of=whole).succeed()
    with collecting(home) as (collector, told):
        collector.select(part)
        assert isinstance(told.get(timeout=PATIENCE_S), DetailRead)
        collector.look()
        assert listed(told) == [whole, part]
        collector.select(whole)
        assert listed(told) == [whole]


def listed(told: "queue.SimpleQueue[Message]") -> list[str]:
    message = told.get(timeout=PATIENCE_S)
    assert isinstance(message, HomeRead)
    return [run.run_id for run in message.view.runs]


def test_what_did_not_change_is_told_once(home: Home) -> None:
    home.prepare()
    run = training_run(home)
    with collecting(home) as (collector, told):
        collector.look()
        assert isinstance(told.get(timeout=PATIENCE_S), HomeRead)
        collector.look()
        run.steps(316, 316)
        collector.look()
        changed = told.get(timeout=PATIENCE_S)
        assert isinstance(changed, HomeRead)
        assert changed.view.runs[0].summary.step == 316
        assert told.empty()


def test_a_failure_is_told_in_words_once_and_reading_goes_on(
    home: Home, runs: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error", "state.json")

    with collecting(home) as (collector, told), monkeypatch.context() as patch:
        patch.setattr(snapshot, "read_summary", fails)
        collector.look()
        failed = told.get(timeout=PATIENCE_S)
        assert isinstance(failed, ReadFailed)
        assert "Input/output error" in failed.words
        patch.undo()
        collector.look()
        assert isinstance(told.get(timeout=PATIENCE_S), HomeRead)
