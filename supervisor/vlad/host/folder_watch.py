"""Wakes whoever waits for files to take their name in a folder: inotify, which the standard library does not have."""

import contextlib
import ctypes
import os
from pathlib import Path

IN_MOVED_TO = 0x80
IN_ONLYDIR = 0x01000000
IN_DONT_FOLLOW = 0x02000000
EVENTS_BYTES = 4096
_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """Owns a descriptor that is readable when a file was renamed into the folder by a process of this host."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where there is no such folder, or the kernel has no watch left for this user."""
        self.handle = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), folder)
        try:
            flags = IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW
            _checked(_libc.inotify_add_watch(self.handle, os.fsencode(folder), flags), folder)
        except OSError:
            self.close()
            raise

    def forget(self) -> None:
        """What has happened until now wakes nobody any more."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.handle, EVENTS_BYTES):
                pass

    def close(self) -> None:
        os.close(self.handle)


def _checked(result: int, folder: Path) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return result


def watch(folder: Path) -> FolderWatch | None:
    """None where it cannot be watched: whoever waits then looks."""
    try:
        return FolderWatch(folder)
    except (OSError, AttributeError):  # a C library without inotify
        return None
