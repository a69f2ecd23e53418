"""Locks that their holder's death frees, whatever kills it."""

import fcntl
import os
import time
from pathlib import Path

from vlad.host.lock_files import is_locked as is_locked

RETRY_S = 0.01


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, not locked yet. It is not handed to executed programs by itself."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_lock(handle: int) -> bool:
    """Locks, without waiting; False where somebody else holds it. Forked children share a lock with their parent."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_within(handle: int, seconds: float) -> bool:
    """Locks, waiting so long: whoever only asks whether a lock is held holds it for a moment itself."""
    deadline = time.monotonic() + seconds
    while not try_lock(handle):
        if time.monotonic() > deadline:
            return False
        time.sleep(RETRY_S)
    return True


def free_within(path: Path, seconds: float) -> bool:
    """Waits so long for the lock to be held by nobody."""
    deadline = time.monotonic() + seconds
    while is_locked(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(RETRY_S)
    return True
