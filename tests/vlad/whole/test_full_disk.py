"""A disk that is full or read-only hurts neither the job nor the record of it."""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import until
from supervised_runs import Lab, Run
from vlad.records.files import RecordError
from vlad.records.outcome import Cause
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import RestartPolicy
from vlad.supervise import detach
from vlad.supervise.control import ask

MNT_DETACH = 2
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
_libc = ctypes.CDLL(None, use_errno=True)


def mount(folder: Path) -> bool:
    return bool(_libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=1m,mode=700") == 0)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not mount(folder):
        pytest.skip("mounting a small tmpfs needs rights that this user has not")
    yield folder
    _libc.umount2(bytes(folder), MNT_DETACH)


@pytest.fixture
def cramped(small: Path) -> Iterator[Lab]:
    """Runs on that disk."""
    laboratory = Lab(small)
    yield laboratory
    laboratory.close()


def fill(folder: Path) -> Path:
    """A file that takes what is left of the disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return filler


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Whatever is opened there meanwhile is opened on a disk that refuses writes; what is open already stays."""
    path = bytes(folder)
    if _libc.mount(path, path, None, MS_BIND, None) != 0:
        pytest.skip("mounting needs rights that this user has not")
    try:
        assert _libc.mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY, None) == 0
        yield
    finally:
        _libc.umount2(path, MNT_DETACH)


def test_a_job_whose_log_fills_the_disk_ends_on_record(cramped: Lab) -> None:
    run = cramped.start("bash", "-c", "while echo 'loss 0.1234567 and so on and so on'; do :; done; exit 1",
                        restart=RestartPolicy(budget=3))  # fmt: skip
    record = run.until_ended()
    assert record.state is State.FAILED
    assert len(record.attempts) == 1
    assert record.diagnosis is not None
    assert record.diagnosis.cause is Cause.DISK_FULL
    assert not run.directory.reserve.exists()


def test_the_reserve_is_kept_again_when_there_is_space(lab: Lab) -> None:
    run = lab.create(lab.spec("true"))
    run.directory.reserve.unlink()
    detach.start(run.directory)
    run.until_ended()
    assert run.directory.reserve.stat().st_size > 0


def test_on_a_full_disk_a_run_can_be_stopped(cramped: Lab, small: Path) -> None:
    run = cramped.start("sleep", "600")
    run.until_state(State.RUNNING)
    fill(small)
    with pytest.raises(OSError, match="No space left"):
        (run.directory.path / "more").write_bytes(b"1")
    ask(run.directory, Action.STOP)
    assert run.until_ended().state is State.STOPPED
    assert not run.directory.reserve.exists()


def start_waiting(lab: Lab, tmp_path: Path) -> Run:
    """A run without reserve whose job exits 4 when the file `go` is there."""
    run = lab.create(lab.spec("bash", "-c", f"while ! test -e {tmp_path}/go; do sleep 0.02; done; exit 4"))
    detach.start(run.directory)
    run.until_state(State.RUNNING)
    run.directory.reserve.unlink()
    return run


@pytest.mark.parametrize("victim", [None, 0, 1], ids=["no kill", "keeper killed", "supervisor killed"])
def test_an_end_on_a_full_disk_is_recorded_when_there_is_space_again(
    cramped: Lab, tmp_path: Path, victim: int | None
) -> None:
    run = start_waiting(cramped, tmp_path)
    agent, guard = run.agent(), run.guard()
    filler = fill(cramped.path)
    if victim is not None:
        os.kill(guard[victim].pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    until(lambda: run.workers() == [], "end of the job")
    assert run.record.state is State.RUNNING
    filler.unlink()
    record = run.until_ended()
    assert record.state is State.FAILED
    assert record.attempts[0].agent == agent
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 4


@pytest.mark.parametrize("victim", [None, 0, 1], ids=["no kill", "keeper killed", "supervisor killed"])
def test_an_end_on_a_disk_that_became_read_only_is_recorded_when_it_can_be(
    lab: Lab, tmp_path: Path, victim: int | None
) -> None:
    run = start_waiting(lab, tmp_path)
    agent, guard = run.agent(), run.guard()
    with read_only(run.directory.path):
        if victim is not None:
            os.kill(guard[victim].pid, signal.SIGKILL)
        (tmp_path / "go").touch()
        until(lambda: run.workers() == [], "end of the job")
        assert run.record.state is State.RUNNING
    record = run.until_ended()
    assert [(one.agent, one.exit and one.exit.code) for one in record.attempts] == [(agent, 4)]


def test_a_run_in_a_read_only_folder_is_refused_in_one_line(lab: Lab, tmp_path: Path) -> None:
    run = lab.create(lab.spec("touch", str(tmp_path / "executed")))
    with read_only(run.directory.path), pytest.raises(RecordError, match="Read-only file system"):
        detach.start(run.directory)
    assert run.guards() == []
    assert not (tmp_path / "executed").exists()


REFUSALS = (
    "journal.before.supervised", "journal.during.attempt_started", "launch.before_fork", "journal.during.agent_started",
    "state.during.RUNNING", "exit.before", "exit.during", "journal.during.attempt_ended", "state.during.FAILED",
)  # fmt: skip


@pytest.mark.parametrize("failpoint", REFUSALS)
def test_a_write_that_the_disk_refuses_once_is_done_again(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failpoint: str
) -> None:
    (tmp_path / "acted").mkdir()
    monkeypatch.setenv("VLAD_FAILPOINTS", f"{failpoint}:enospc")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(tmp_path / "acted"))
    record = lab.start("bash", "-c", f"echo launched >> {tmp_path}/launches; exit 5").until_ended()
    assert [path.name for path in (tmp_path / "acted").iterdir()] == [failpoint]
    assert (tmp_path / "launches").read_text() == "launched\n"
    assert [one.exit and one.exit.code for one in record.attempts] == [5]
    assert lab.runs[0].directory.repaired_record() == record
    assert [event.seq for event in lab.runs[0].events] == list(range(1, record.seq + 1))
