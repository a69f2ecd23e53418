"""The signal by which a program dumps its own stacks: registered by the program, and sent to no other.

The default action of this signal ends a process. So it is sent only where two things prove that it is awaited: the
program has put an answer file under its pid and start into the folder, and the kernel says that it catches the signal.
"""

import faulthandler
import os
import signal
from pathlib import Path

from vlad.host import processes
from vlad.records.files import private_folder
from vlad.records.outcome import ProcessIdentity

SIGNAL = signal.SIGRTMIN + 8  # SIGUSR1 and SIGUSR2 have meanings of their own under Slurm and Lightning
_answers: list[int] = []


def answer_file(folder: Path, process: ProcessIdentity) -> Path:
    """Where `process` writes its stacks; there from when it awaits the signal."""
    return folder / f"process-{process.pid}-{process.start_ticks}.txt"


def register(folder: Path) -> bool:
    """From now on this process answers the signal, also while it waits in native code, by its stacks in `folder`.

    False where the program uses the signal itself, or the folder cannot be written: then nothing is changed.
    """
    if _answers or signal.getsignal(SIGNAL) is not signal.SIG_DFL:
        return bool(_answers)
    path = answer_file(folder, processes.own_identity())
    aside = path.with_name(f".{path.name}")
    try:
        private_folder(folder)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    faulthandler.register(SIGNAL, file=handle, all_threads=True, chain=False)
    _answers.append(handle)
    aside.rename(path)
    return True


def is_awaited(folder: Path, process: ProcessIdentity) -> bool:
    """Whether this very process has registered, and still catches the signal (it may have executed another program)."""
    return answer_file(folder, process).exists() and _catches(process.pid)


def ask(folder: Path, process: ProcessIdentity) -> bool:
    """Sends the signal to a process that awaits it, and to no other."""
    return is_awaited(folder, process) and processes.signal_process(process, SIGNAL)


def _catches(pid: int) -> bool:
    try:
        lines = (processes.PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return False
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return bool(mask >> (SIGNAL - 1) & 1)
