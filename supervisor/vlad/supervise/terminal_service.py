"""Keeps a terminal served: starts its holder, and another where that was killed."""

import os
import time
from itertools import pairwise

from vlad.records import failpoints
from vlad.supervise import locks
from vlad.supervise.remarks import remark_on_exception
from vlad.supervise.terminal import Terminal, unread_bytes

DRAINED_WITHIN_S = 5.0
POLL_S = 0.02


def tend(terminal: Terminal) -> None:
    """Starts a holder where none lives."""
    if locks.is_locked(terminal.run.terminal_lock):
        return
    failpoints.reach("terminal.before_fork")
    if os.fork() == 0:
        _become_holder(terminal)


def _become_holder(terminal: Terminal) -> None:
    """In the forked child: never returns. What keeper and supervisor lock must not stay locked by this process."""
    status = 1
    try:
        kept = sorted((terminal.master, terminal.slave, terminal.memory))
        for low, high in pairwise((2, *kept, os.sysconf("SC_OPEN_MAX"))):
            os.closerange(low + 1, high)
        from vlad.supervise.terminal_holder import hold

        hold(terminal)
        status = 0
    except BaseException:
        remark_on_exception("the holder of the terminal ends")
    finally:
        os._exit(status)


def wait_until_drained(terminal: Terminal) -> None:
    """After the end of the job: until what it wrote last is in the log."""
    from vlad.supervise.unlogged import Unlogged

    unlogged = Unlogged(terminal.memory)
    deadline = time.monotonic() + DRAINED_WITHIN_S
    times_empty = 0
    while times_empty < 2 and time.monotonic() < deadline:
        tend(terminal)
        time.sleep(POLL_S)  # what was written arrives
        is_empty = unread_bytes(terminal.master) == 0 and unlogged.is_empty
        times_empty = times_empty + 1 if is_empty else 0
