"""The bytes of a log file wherever it is: looked at, read and counted by position. Touches the disk."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Look:
    """A log at one moment. Another `identity` means another file under the same name; None means there is none."""

    identity: tuple[int, int] | None
    size_bytes: int = 0


NO_FILE = Look(None)


@dataclass(frozen=True, slots=True)
class Counted:
    """Newlines in each 256 KiB block (as counted from the file's start); `ends_open`: the last byte is none."""

    newlines: tuple[int, ...] = ()
    read_bytes: int = 0
    ends_open: bool = False


class LogContent(Protocol):
    """One log. Used by one thread; every method may raise OSError."""

    def look(self) -> Look:
        """What the name means now; later reads are of this file."""

    def pread(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes; fewer only where the file ends. Nothing where there is no file."""

    def count_lines(self, offset: int, end: int) -> Counted:
        """The newlines from byte `offset` up to byte `end`; perhaps only of the first blocks of that."""

    def close(self) -> None: ...


class LocalLog:
    """A log file of this host. Owns a descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._buffer = bytearray(BLOCK_BYTES)

    def look(self) -> Look:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.close()
            return NO_FILE
        held = None if self._handle is None else os.fstat(self._handle)
        if held is None or (found.st_dev, found.st_ino) != (held.st_dev, held.st_ino):
            self.close()
            try:
                self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return NO_FILE
            held = os.fstat(self._handle)
        else:
            held = found
        return Look((held.st_dev, held.st_ino), held.st_size)

    def pread(self, count: int, offset: int) -> bytes:
        return b"" if self._handle is None or count <= 0 else os.pread(self._handle, count, offset)

    def count_lines(self, offset: int, end: int) -> Counted:
        newlines: list[int] = []
        at, last = offset, 0x0A
        while self._handle is not None and at < end:
            wanted = min(BLOCK_BYTES - at % BLOCK_BYTES, end - at)
            read = os.preadv(self._handle, [memoryview(self._buffer)[:wanted]], at)
            if read == 0:
                break
            newlines.append(self._buffer.count(b"\n", 0, read))
            last = self._buffer[read - 1]
            at += read
            if read < wanted:
                break
        return Counted(tuple(newlines), at - offset, last != 0x0A)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
