"""Named places where tests make the supervisor die or its disk fail; without VLAD_FAILPOINTS they do nothing."""

import errno
import os
import signal
from pathlib import Path

VARIABLE = "VLAD_FAILPOINTS"
"""`name:action` separated by spaces; actions: kill (this process), kill_parent, kill_both, enospc."""
ONCE_VARIABLE = "VLAD_FAILPOINTS_ONCE"
"""A folder that remembers which failpoints have acted, so that each acts once over all processes."""


def reach(name: str) -> None:
    """Acts as the environment says when the program gets to the place called `name`."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    actions = dict(entry.split(":", 1) for entry in wanted.split())
    if name in actions and _is_first_time(name):
        _act(name, actions[name])


def _is_first_time(name: str) -> bool:
    folder = os.environ.get(ONCE_VARIABLE)
    if folder is None:
        return True
    try:
        (Path(folder) / name).touch(exist_ok=False)
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
        case "enospc":
            raise OSError(errno.ENOSPC, f"failpoint {name}")
        case _:
            raise ValueError(f"{VARIABLE}: no such action: {action!r}")
