"""What was read from a terminal and is perhaps not in the log yet: in memory that outlives the process that read it.

The kernel puts what is read straight into memory that keeper, supervisor and holder share. A holder that is killed in
between leaves it there, and the next one writes it: each byte is in the log once.
"""

import mmap
import os
import struct

PIECE_BYTES = 1 << 16
NOTE = struct.Struct("QQ?")
"""Inode and size of the log before a piece is written, 0 before and after that; whether a carriage return before the
piece was held back."""


def make_memory() -> int:
    """A descriptor of memory for one `Unlogged`, empty."""
    handle = os.memfd_create("vlad-terminal", os.MFD_CLOEXEC)
    os.ftruncate(handle, NOTE.size + PIECE_BYTES)
    return handle


class Unlogged:
    """One piece that was read, in memory that is 0 otherwise: nothing that prints ends with bytes that are 0."""

    def __init__(self, memory: int) -> None:
        self._memory = mmap.mmap(memory, NOTE.size + PIECE_BYTES)
        self._used = PIECE_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether all that was read is in the log."""
        inode, _, _ = NOTE.unpack_from(self._memory)
        return inode == 0 and self._memory[NOTE.size] == 0

    def read_from(self, terminal: int) -> bytes:
        """At most a piece. Raises BlockingIOError where nothing is to be read."""
        with memoryview(self._memory) as memory, memory[NOTE.size :] as piece:
            self._used = os.readv(terminal, [piece])
            return bytes(piece[: self._used])

    def about_to_write(self, log: os.stat_result, *, held_return: bool) -> None:
        """`log` is its file before the piece is written."""
        NOTE.pack_into(self._memory, 0, log.st_ino, log.st_size, held_return)

    def forget(self, *, held_return: bool) -> None:
        """The piece is written. The note goes last: with it and without the piece, nothing is left to do."""
        self._memory[NOTE.size : NOTE.size + self._used] = bytes(self._used)
        NOTE.pack_into(self._memory, 0, 0, 0, held_return)

    def left_by_another(self, log: os.stat_result | None) -> tuple[bytes, bool]:
        """What one before has read and not written into `log`, and whether a carriage return before it is held back."""
        inode, size, held_return = NOTE.unpack_from(self._memory)
        piece = self._memory[NOTE.size :].rstrip(b"\0")
        if log is not None and log.st_ino == inode and log.st_size > size:
            return b"", piece.endswith(b"\r")
        return piece, bool(held_return)
