"""The program of an attempt starts once, with nothing of ours but the lock, the log and its environment."""

import os
from pathlib import Path

import pytest
from patience import until
from vlad.host import processes
from vlad.records.attemptdir import AttemptDirectory
from vlad.supervise import locks
from vlad.supervise.launch import Handles, cannot_start_message, launch


@pytest.fixture
def lock(tmp_path: Path) -> int:
    return locks.open_lock(tmp_path / "lock")


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptDirectory:
    (tmp_path / "attempts").mkdir()
    return AttemptDirectory(tmp_path / "attempts" / "1")


def run(attempt: AttemptDirectory, lock: int, *argv: str, **environment: str) -> int:
    """The exit code of a program that was launched."""
    agent = launch(attempt, argv, {"PATH": os.environ["PATH"], **environment}, "/tmp", Handles(lock=lock))
    return os.waitstatus_to_exitcode(os.waitpid(agent.pid, 0)[1])


def test_the_program_has_its_folder_environment_and_session(attempt: AttemptDirectory, lock: int) -> None:
    assert run(attempt, lock, "sh", "-c", 'pwd; echo "$A"; ps -o sid= -p $$; echo $$', A="b c") == 0
    folder, value, session, pid = attempt.console.read_text().split("\n")[:4]
    assert (folder, value, session.strip()) == ("/tmp", "b c", pid)


KEPT_BY_THE_C_LIBRARY = 0b11 << 31  # signals 32 and 33: no program may set them, a library loaded here may


def test_the_program_finds_all_signals_as_programs_expect_them(attempt: AttemptDirectory, lock: int) -> None:
    """Python ignores SIGPIPE; a pipeline in the job would never end."""
    assert run(attempt, lock, "grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status") == 0
    words = attempt.console.read_text().split()
    assert [int(mask, 16) & ~KEPT_BY_THE_C_LIBRARY for mask in words[1::2]] == [0, 0]


def test_the_standard_input_is_the_lock_and_at_its_end(attempt: AttemptDirectory, lock: int, tmp_path: Path) -> None:
    assert run(attempt, lock, "sh", "-c", "readlink /proc/$$/fd/0; cat") == 0
    assert attempt.console.read_text() == f"{tmp_path / 'lock'}\n"


def test_the_lock_stays_held_as_long_as_any_process_of_the_job_lives(
    attempt: AttemptDirectory, lock: int, tmp_path: Path
) -> None:
    """Also when everybody who opened it and the agent itself are gone."""
    assert locks.try_lock(lock)
    waiting = f"while ! test -e {tmp_path}/go; do sleep 0.02; done"
    assert run(attempt, lock, "sh", "-c", f"exec 3<&0; setsid sh -c '{waiting}' <&3 &") == 0
    os.close(lock)
    assert locks.is_locked(tmp_path / "lock")
    (tmp_path / "go").touch()
    until(lambda: not locks.is_locked(tmp_path / "lock"), "lock free")


def test_a_second_launch_of_the_same_attempt_executes_nothing(attempt: AttemptDirectory, lock: int) -> None:
    first = launch(attempt, ("sleep", "600"), dict(os.environ), "/", Handles(lock=lock))
    assert launch(attempt, ("sh", "-c", "echo twice"), dict(os.environ), "/", Handles(lock=lock)) == first
    assert attempt.console.read_text() == ""
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)


def test_of_many_that_launch_at_once_one_executes(attempt: AttemptDirectory, lock: int, tmp_path: Path) -> None:
    """Supervisors killed in the middle of a launch leave children that have not executed yet."""
    racers = [race(attempt, lock, tmp_path) for _ in range(8)]
    (tmp_path / "go").touch()
    statuses = [os.waitpid(racer, 0)[1] for racer in racers]
    assert statuses == [0] * 8
    claim = attempt.read_agent()
    assert claim is not None
    until(lambda: not processes.is_alive(claim.identity), "end of the program")
    assert attempt.console.read_text() == "launched\n"


def race(attempt: AttemptDirectory, lock: int, tmp_path: Path) -> int:
    racer = os.fork()
    if racer == 0:
        status = 1
        try:
            until((tmp_path / "go").exists, "go")
            agent = launch(attempt, ("echo", "launched"), dict(os.environ), "/", Handles(lock=lock))
            claim = attempt.read_agent()
            status = 0 if claim is not None and claim.identity == agent else 1
        finally:
            os._exit(status)
    return racer


@pytest.mark.parametrize(
    ("program", "why"),
    [
        pytest.param("no-such-program", "No such file", id="missing"),
        pytest.param("/etc/passwd", "Permission denied", id="not executable"),
    ],
)
def test_a_program_that_cannot_be_executed_says_so_in_the_log(
    attempt: AttemptDirectory, lock: int, program: str, why: str
) -> None:
    assert run(attempt, lock, program) == 127
    message = cannot_start_message(attempt)
    assert message is not None
    assert program in message
    assert why in message


def test_a_program_that_says_the_same_later_was_started(attempt: AttemptDirectory, lock: int) -> None:
    run(attempt, lock, "sh", "-c", "echo hello; echo 'vlad: cannot start x'; exit 127")
    assert cannot_start_message(attempt) is None


def test_a_missing_folder_is_named(attempt: AttemptDirectory, lock: int, tmp_path: Path) -> None:
    agent = launch(attempt, ("true",), dict(os.environ), str(tmp_path / "gone"), Handles(lock=lock))
    os.waitpid(agent.pid, 0)
    assert str(tmp_path / "gone") in (cannot_start_message(attempt) or "")
