"""Stacks of real programs, by py-spy and by the programs themselves; who does not await the signal never gets it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_S, until
from vlad.host import processes, stack_signal, stacks
from vlad.host.stacks import read_stacks
from vlad.records.outcome import ProcessIdentity

REGISTERS = "from vlad.report import answer_stack_requests as answer; assert answer()\n"
HANGS = "import time\ndef hangs_here():\n    print('hangs', flush=True)\n    time.sleep(600)\nhangs_here()\n"
EXECUTES = f"import os, sys\nos.execv(sys.executable, [sys.executable, '-c', {HANGS!r}])\n"
USES_IT = f"import signal\nsignal.signal({stack_signal.SIGNAL}, lambda *_: print('own use', flush=True))\n"
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return tmp_path / "run" / "attempts" / "1" / "stacks"


@pytest.fixture
def start(tmp_path: Path, answers: Path) -> Iterator[Start]:
    """Starts Python code as an attempt's program; it runs when this returns, and is ended after the test."""
    answers.parent.mkdir(parents=True)
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "VLAD_RUN_DIR": str(tmp_path / "run"), "VLAD_ATTEMPT": "1"}

    def begin(code: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def identity(process: "subprocess.Popen[str]") -> ProcessIdentity:
    found = processes.identity_of(process.pid)
    assert found is not None
    return found


@pytest.mark.skipif(stacks.py_spy() is None, reason="py-spy is not installed")
def test_py_spy_reads_a_program_that_knows_nothing_of_it(
    start: Start, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "PATIENCE_S", PATIENCE_S)
    (stack,) = read_stacks([identity(start(HANGS))], answers)
    assert stack.source == "py-spy"
    assert "hangs_here" in stack.text


def test_without_py_spy_a_program_tells_itself(start: Start, answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "py_spy", lambda: None)
    monkeypatch.setattr(stacks, "ANSWER_PATIENCE_S", PATIENCE_S)
    process = start(REGISTERS + HANGS)
    for _ in range(2):  # the second answer is not the first once more
        (stack,) = read_stacks([identity(process)], answers)
        assert stack.source == "the program itself"
        assert stack.text.count("in hangs_here") == 1
    assert process.poll() is None


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(HANGS, id="never registered"),
        pytest.param(REGISTERS + EXECUTES, id="executed another program after it registered"),
    ],
)
def test_who_does_not_await_the_signal_never_gets_it(
    start: Start, answers: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(stacks, "py_spy", lambda: None)
    process = start(code)
    (stack,) = read_stacks([identity(process)], answers)
    assert stack.source is None
    assert "no Python stack could be read; state " in stack.text
    assert process.poll() is None


def test_the_signal_would_have_ended_them(start: Start) -> None:
    process = start(HANGS)
    os.kill(process.pid, stack_signal.SIGNAL)
    assert process.wait(PATIENCE_S) == -stack_signal.SIGNAL


def test_a_program_that_uses_the_signal_itself_keeps_it(start: Start, answers: Path) -> None:
    code = USES_IT + "from vlad.report import answer_stack_requests as answer; assert not answer()\n" + HANGS
    process = start(code)
    assert not stack_signal.ask(answers, identity(process))


def test_a_fork_of_a_registered_program_is_not_signalled(
    start: Start, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "py_spy", lambda: None)
    process = start(REGISTERS + "import os\nif os.fork() == 0:\n    import time; time.sleep(600)\n" + HANGS)
    table = processes.all_processes()
    (child,) = processes.descendants([process.pid], table) - {process.pid}
    forked = ProcessIdentity(pid=child, start_ticks=table[child].start_ticks, boot_id=processes.boot_id())
    try:
        assert not stack_signal.is_awaited(answers, forked)
        assert stack_signal.is_awaited(answers, identity(process))
    finally:
        processes.signal_process(forked, signal.SIGKILL)


def test_a_process_that_has_ended_meanwhile_is_said_to(start: Start, answers: Path) -> None:
    process = start(HANGS)
    found = identity(process)
    process.kill()
    process.wait()
    until(lambda: processes.stat_of(found) is None, "end")
    (stack,) = read_stacks([found], answers)
    assert (stack.source, stack.text) == (None, "it has ended\n")
