"""Named places where tests make a process die, stand still or find its disk full: nothing without VLAD_FAILPOINTS."""

import errno
import os
import signal
from pathlib import Path

VARIABLE = "VLAD_FAILPOINTS"
"""`name:action` separated by spaces; actions: kill (this process), kill_parent, kill_both, term, hold, enospc."""
ONCE_VARIABLE = "VLAD_FAILPOINTS_ONCE"
"""A folder that remembers which failpoints have acted (and the pid), so that each acts once over all processes."""


def reach(name: str) -> None:
    """Acts as the environment says when the program gets to the place called `name`."""
    action = _action(name)
    if action is not None and _is_first_time(name):
        _act(name, action)


def is_wanted(name: str) -> bool:
    """Whether the environment names this place, acted upon already or not."""
    return _action(name) is not None


def _action(name: str) -> str | None:
    wanted = os.environ.get(VARIABLE)
    return dict(entry.split(":", 1) for entry in wanted.split()).get(name) if wanted else None


def _is_first_time(name: str) -> bool:
    folder = os.environ.get(ONCE_VARIABLE)
    if folder is None:
        return True
    try:
        with (Path(folder) / name).open("x") as mark:
            mark.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True


def _act(name: str, action: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_parent":
            os.kill(os.getppid(), signal.SIGKILL)
        case "kill_both":
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
        case "hold":
            import threading  # only tests get here

            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # another thread's stop would come too late
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"failpoint {name}")
        case _:
            raise ValueError(f"{VARIABLE}: no such action: {action!r}")
