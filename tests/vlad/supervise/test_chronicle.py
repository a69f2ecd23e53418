"""The one writer of a run's journal and state."""

import os

import pytest
from supervised_runs import Lab, Run
from vlad.records.files import RecordError
from vlad.records.run import IllegalMove, Moved, Noted, Requested, State
from vlad.supervise import chronicle
from vlad.supervise.chronicle import Chronicle


@pytest.fixture
def run(lab: Lab) -> Run:
    return lab.create(lab.spec("true"))


def test_what_is_appended_is_in_journal_and_state(run: Run) -> None:
    writer = Chronicle(run.directory)
    writer.append(Moved(**writer.stamp(), state=State.STARTING, why="first attempt"))
    assert run.directory.read_record() == writer.record
    assert [event.seq for event in run.events] == [1, 2]
    assert run.record.state is State.STARTING


def test_a_second_writer_is_refused_until_the_first_is_gone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "LOCK_PATIENCE_S", 0.05)
    first = Chronicle(run.directory)
    with pytest.raises(RecordError, match="another supervisor"):
        Chronicle(run.directory)
    first.close()
    Chronicle(run.directory).close()


def test_an_illegal_move_is_a_mistake_and_never_gets_on_record(run: Run) -> None:
    writer = Chronicle(run.directory)
    with pytest.raises(IllegalMove):
        writer.append(Moved(**writer.stamp(), state=State.SUCCEEDED))
    assert len(run.events) == 1


def test_an_event_that_the_disk_refused_has_not_happened_and_the_next_one_counts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Chronicle(run.directory)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", _no_space)
        with pytest.raises(OSError, match="No space"):
            writer.append(Noted(**writer.stamp(), message="refused"))
    assert writer.record.seq == 1
    writer.append(Moved(**writer.stamp(), state=State.STARTING))
    writer.close()
    assert Chronicle(run.directory).record.state is State.STARTING


def _no_space(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_state_that_the_disk_refused_is_written_later(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Chronicle(run.directory)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _no_space)
        writer.append(Moved(**writer.stamp(), state=State.STARTING))
        assert not writer.flush()
        assert run.directory.read_record().state is State.QUEUED
    assert writer.flush()
    assert run.directory.read_record().state is State.STARTING


def test_requests_on_record_are_known_again_after_a_restart(run: Run) -> None:
    writer = Chronicle(run.directory)
    writer.append(Requested(**writer.stamp(), request_id="r1", action="save"))
    writer.close()
    assert Chronicle(run.directory).consumed == {"r1"}
