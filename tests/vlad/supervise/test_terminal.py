"""Runs with a terminal of their own: what the job has of it, and what its log keeps."""

import sys

from patience import until
from supervised_runs import Lab
from terminal_views import Start, Watch
from vlad.records.run import State
from vlad.records.spec import RestartPolicy
from vlad.supervise import locks


def test_the_job_has_a_terminal_of_its_own_and_its_log_has_plain_line_ends(with_terminal: Start) -> None:
    run = with_terminal("sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo all three; stty size; exit 3")
    record = run.until_ended()
    lines = run.console().splitlines()
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:] == ["all three", "24 80"]
    assert "\r" not in run.console()
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 3


def test_ctrl_c_interrupts_the_job(with_terminal: Start, watch: Watch) -> None:
    run = with_terminal(sys.executable, "-c", "import time\nprint('sleeps', flush=True)\ntime.sleep(600)")
    watcher = watch(run)
    watcher.until("sleeps")
    watcher.type("\x03")
    run.until_ended()
    assert "KeyboardInterrupt" in run.console()


def test_a_flood_that_nobody_watches_blocks_nothing_and_loses_no_line(with_terminal: Start) -> None:
    run = with_terminal("sh", "-c", "seq 60000")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console() == "".join(f"{number}\n" for number in range(1, 60001))


def test_the_next_attempt_has_the_same_terminal_and_a_log_of_its_own(with_terminal: Start, watch: Watch) -> None:
    script = "echo attempt $VLAD_ATTEMPT; read line; echo $line; exit 7"
    run = with_terminal("sh", "-c", script, restart=RestartPolicy(budget=1, backoff_s=0.05))
    watcher = watch(run)
    watcher.until("attempt 1")
    watcher.type("a\r")
    watcher.until("attempt 2")
    watcher.type("b\r")
    run.until_ended()
    assert run.console(1) == "attempt 1\na\na\n"
    assert run.console(2) == "attempt 2\nb\nb\n"


def test_a_rank_in_a_session_of_its_own_can_be_debugged(lab: Lab, with_terminal: Start, watch: Watch) -> None:
    program = lab.path / "rank.py"
    program.write_text("value = 6\nbreakpoint()\nprint('value', value, flush=True)\n")
    support = [word for word in lab.counting() if word.endswith("standin_torchrun.py")]
    run = with_terminal(sys.executable, *support, "1", str(program))
    watcher = watch(run)
    watcher.until("(Pdb) ")
    watcher.type("value = 7 * value\r")
    watcher.type("continue\r")
    run.until_ended()
    assert "value 42\n" in run.console()


def test_after_the_end_nothing_of_the_terminal_is_left(with_terminal: Start) -> None:
    run = with_terminal("true")
    run.until_ended()
    until(lambda: not run.guards(), run)
    until(lambda: not run.directory.terminal_socket.exists(), run)
    until(lambda: not locks.is_locked(run.directory.terminal_lock), "the end of the terminal's holder")


def test_a_run_without_a_terminal_has_none(lab: Lab) -> None:
    run = lab.start("sh", "-c", "test -t 0 || echo none")
    run.until_ended()
    assert run.console() == "none\n"
    assert not run.directory.terminal_socket.exists()
    assert not run.directory.terminal_lock.exists()
