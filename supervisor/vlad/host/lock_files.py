"""Whether a lock is held, for those who never take it."""

import fcntl
import os
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Whether any process holds the lock. Creates nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
