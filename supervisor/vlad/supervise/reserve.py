"""Space kept for the worst moment: a full disk gives it back, so that what happens to the run on it gets on record."""

import errno
import os

from vlad.records.files import write_new
from vlad.records.rundir import RunDirectory

RESERVE_BYTES = 64 * 1024


FULL_BYTES = 2 * RESERVE_BYTES


def keep_reserve(run: RunDirectory) -> None:
    """Takes the space, unless it is taken. Raises OSError where there is none."""
    if not run.reserve.exists():
        write_new(run.reserve, bytes(RESERVE_BYTES))


def give_reserve(run: RunDirectory, error: OSError) -> bool:
    """Gives it back where the disk was full; False where that was not the error, or the reserve is used up."""
    if error.errno != errno.ENOSPC or not run.reserve.exists():
        return False
    run.reserve.unlink()
    return True


def is_disk_full(run: RunDirectory) -> bool:
    """Whether nothing (or only the reserve) is left for anybody on the disk of the run."""
    found = os.statvfs(run.path)
    return found.f_bavail * found.f_frsize < FULL_BYTES
