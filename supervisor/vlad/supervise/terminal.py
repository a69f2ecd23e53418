"""The terminal of a run that has one: both its ends are held by keeper and supervisor, and served by a holder.

The holder is a fork of the supervisor that drains, logs and shows. Whichever of the three is killed, the others keep
the terminal open, so that the job notices nothing, and the supervisor replaces the holder; what that had read and not
logged is in memory that all three share.
"""

import fcntl
import os
import struct
import termios

import msgspec

from vlad.records.files import RecordError
from vlad.records.rundir import RunDirectory
from vlad.supervise.remarks import remark

ROWS, COLUMNS = 24, 80
HAND_OVER_S = 2.0


class Terminal(msgspec.Struct, frozen=True):
    """Descriptors of a pseudo-terminal: `master` is what a person sees, `slave` what the job has.

    `memory` is for what was read and not logged yet.
    """

    run: RunDirectory
    master: int
    slave: int
    memory: int


def open_terminal(run: RunDirectory) -> Terminal | None:
    """The terminal that a holder has kept from before, else a new one; None for a run that is to have none."""
    try:
        if not run.read_spec().has_terminal:
            return None
    except RecordError:
        return None
    from vlad.host.terminal_link import handed_over
    from vlad.supervise.unlogged import make_memory

    kept = handed_over(run.terminal_socket, HAND_OVER_S)
    master, slave, *memory = kept or os.openpty()
    if not kept:
        resize(master, ROWS, COLUMNS)
    return Terminal(run, master, slave, memory[0] if memory else make_memory())


def resize(terminal: int, rows: int, columns: int) -> None:
    """The programs in it get SIGWINCH where that is a change."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def size_of(terminal: int) -> tuple[int, int]:
    """Rows and columns."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def unread_bytes(terminal: int) -> int:
    return int(struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))[0])


def take_terminal(slave: int) -> None:
    """Makes it the controlling terminal and the standard streams of this process, the leader of a new session."""
    try:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    except PermissionError:
        remark("the terminal still belongs to a process of an earlier attempt")
    for handle in (0, 1):
        os.dup2(slave, handle)
