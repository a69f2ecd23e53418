"""Named places where tests make the trainer die or its disk fail; without VLAD_FAILPOINTS they do nothing."""

import errno
import os
import signal
from pathlib import Path

VARIABLE = "VLAD_FAILPOINTS"
"""`name:action` separated by spaces; actions: kill (this process), term (ask it to stop), enospc."""
ONCE_VARIABLE = "VLAD_FAILPOINTS_ONCE"
"""A folder that remembers which failpoints have acted, so that each acts once over all processes and attempts."""


def failpoint(name: str) -> None:
    """Acts as the environment says when the program gets to the place called `name`."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    action = dict(entry.split(":", 1) for entry in wanted.split()).get(name)
    if action is None or not _is_first_time(name):
        return
    if action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), {"kill": signal.SIGKILL, "term": signal.SIGTERM}[action])


def _is_first_time(name: str) -> bool:
    folder = os.environ.get(ONCE_VARIABLE)
    if folder is None:
        return True
    try:
        (Path(folder) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
