"""Stacks of running Python programs: read from outside by py-spy where that may be, else told by the program itself."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlad.host import processes, stack_signal
from vlad.records.outcome import ProcessIdentity

PATIENCE_S = 15.0
ANSWER_PATIENCE_S = 3.0
ANSWER_POLL_S = 0.05
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stack:
    """What one process was found doing; `source` is py-spy or the program itself, None where neither tells."""

    process: ProcessIdentity
    source: str | None
    text: str


def read_stacks(found: Sequence[ProcessIdentity], answers: Path) -> list[Stack]:
    """The stacks of processes now, in their order; `answers` is where the programs themselves write theirs.

    Takes PATIENCE_S at most for each of the two ways, however many processes there are.
    """
    by_spy = _by_py_spy(found)
    rest = [process for process in found if process not in by_spy]
    by_themselves = _by_themselves(rest, answers)
    return [_stack(process, by_spy, by_themselves) for process in found]


def _stack(
    process: ProcessIdentity, by_spy: Mapping[ProcessIdentity, str], told: Mapping[ProcessIdentity, str]
) -> Stack:
    if (text := by_spy.get(process)) is not None:
        return Stack(process, "py-spy", text)
    if (text := told.get(process)) is not None:
        return Stack(process, "the program itself", text)
    return Stack(process, None, _what_the_kernel_says(process.pid))


def py_spy() -> str | None:
    """The program, from PATH or from beside this Python; None where it is not installed."""
    return shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))


def _by_py_spy(found: Sequence[ProcessIdentity]) -> dict[ProcessIdentity, str]:
    """All at once; who may not be read, is no Python or does not answer in time is left out."""
    program = py_spy()
    if program is None:
        return {}
    started = {
        process: subprocess.Popen(
            [program, "dump", "--pid", str(process.pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        for process in found
    }  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    told = {process: _said(spy, deadline) for process, spy in started.items()}
    return {process: text for process, text in told.items() if text is not None and processes.is_alive(process)}


def _said(spy: "subprocess.Popen[bytes]", deadline: float) -> str | None:
    try:
        out, _ = spy.communicate(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        spy.kill()
        spy.communicate()
        return None
    return out[:MOST_BYTES].decode(errors="replace") if spy.returncode == 0 and out else None


def _by_themselves(found: Sequence[ProcessIdentity], answers: Path) -> dict[ProcessIdentity, str]:
    """Asks all, then waits for what each has written and writes no more."""
    files = {process: stack_signal.answer_file(answers, process) for process in found}
    before = {process: path.stat().st_size for process, path in files.items() if path.exists()}
    asked = [process for process in before if stack_signal.ask(answers, process)]
    deadline = time.monotonic() + ANSWER_PATIENCE_S
    told = {process: _answer(files[process], before[process], deadline) for process in asked}
    return {process: text for process, text in told.items() if text}


def _answer(path: Path, start: int, deadline: float) -> str:
    """What is in the file beyond `start`, once it grows no more."""
    size = start
    while time.monotonic() < deadline:
        time.sleep(ANSWER_POLL_S)
        newest = path.stat().st_size
        if newest == size > start:
            break
        size = newest
    with path.open("rb") as file:
        file.seek(start)
        return file.read(MOST_BYTES).decode(errors="replace")


def _what_the_kernel_says(pid: int) -> str:
    """State and the kernel function that a process waits in, as far as we may know them."""
    stat = processes.read_stat(pid)
    if stat is None:
        return "it has ended\n"
    try:
        waits_in = (processes.PROC / str(pid) / "wchan").read_text().strip()
    except OSError:
        waits_in = ""
    where = f", waits in the kernel's {waits_in}" if waits_in not in ("", "0") else ""
    return f"no Python stack could be read; state {stat.state}{where}\n"
