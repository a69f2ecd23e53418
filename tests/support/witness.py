"""What the processes of a test's job write down about themselves, so that what vlad says of them can be checked.

Nothing of vlad is used here: FAULT_WITNESS names the folder; without it nothing is written.
"""

import os
from pathlib import Path

VARIABLE = "FAULT_WITNESS"


def folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def attempt() -> int:
    return int(os.environ.get("VLAD_ATTEMPT", "1"))


def sign(role: str, pid: int | None = None) -> None:
    """Puts a process on the list, with its start: `role attempt pid ticks` in one write."""
    where, who = folder(), pid or os.getpid()
    if where is None:
        return
    stat = Path(f"/proc/{who}/stat").read_text()
    ticks = stat[stat.rindex(")") + 2 :].split()[19]
    _append(where / "processes", f"{role} {attempt()} {who} {ticks}\n")


def printed(rank: int, line: bytes) -> None:
    """Keeps what a rank has written to its standard output, after it has."""
    if (where := folder()) is not None:
        _append(where / f"printed-{attempt()}-{rank}", line.decode())


def leave(code: int) -> None:
    """Keeps the code with which the agent is about to end."""
    if (where := folder()) is not None:
        (where / f"exit-{attempt()}").write_text(str(code))


def _append(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, text.encode())
    os.close(handle)
