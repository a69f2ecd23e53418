"""A log file of any size with random access by line number, in a few bytes of memory a megabyte. Touches the disk."""

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from vlad.logs import content as logs
from vlad.logs.content import Counted, LocalLog, LogContent
from vlad.records.terminal_text import MAX_LINE_BYTES

FINGERPRINT_BYTES = 512
TAIL_BYTES = 256 * 1024


class Change(StrEnum):
    """What a look at the file found."""

    SAME = "same"
    GREW = "grew"
    RESTARTED = "restarted"


class RawLine(NamedTuple):
    """One line without its newline; `left_out` bytes of a line too long to hold are not in `content`."""

    content: bytes
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a file is indexed: `lines` in `indexed_bytes` of `size_bytes`."""

    lines: int
    indexed_bytes: int
    size_bytes: int

    @property
    def is_complete(self) -> bool:
        return self.indexed_bytes >= self.size_bytes


class LogFile:
    """A growing file, indexed by counting the newlines of each 256 KiB. Owns its content; used by one thread.

    A file that was replaced, shortened or rewritten from its start is indexed anew. A missing one is empty.
    """

    def __init__(self, path: Path, content: LogContent | None = None) -> None:
        """`content` reads what `path` names where that is no file of this host."""
        self.path = path
        self._content = content or LocalLog(path)
        self._identity: tuple[int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self._newlines_before = array("Q", [0])  # [i]: newlines before byte i * BLOCK_BYTES
        self._newlines = 0
        self._indexed = 0
        self._size = 0
        self._ends_open = False
        self._fingerprint = b""

    @property
    def extent(self) -> Extent:
        """A last line without a newline counts as a line."""
        return Extent(self._newlines + self._ends_open, self._indexed, self._size)

    def close(self) -> None:
        self._content.close()

    def look(self) -> Change:
        """Finds out how large the file is now; raises OSError where it exists but cannot be read."""
        had_content = self._size > 0
        look = self._content.look()
        if look.identity != self._identity:
            self._identity = look.identity
            self._forget()
        size = look.size_bytes
        if size < self._indexed or not self._has_same_start():
            self._forget()
        if had_content and self._size == 0:
            self._size = size
            self._has_same_start()
            return Change.RESTARTED
        grew, self._size = size > self._size, size
        return Change.GREW if grew else Change.SAME

    def _has_same_start(self) -> bool:
        """Whether the file still begins as it did; a file that was cut and written again betrays itself here."""
        start = self._pread(FINGERPRINT_BYTES, 0)
        is_same = start.startswith(self._fingerprint)
        self._fingerprint = start
        return is_same

    def index(self, most_bytes: int) -> None:
        """Counts the lines of up to about `most_bytes` more."""
        stop = min(self._size, self._indexed + most_bytes)
        while self._indexed < stop:
            counted = self._content.count_lines(self._indexed, stop)
            if not counted.read_bytes:
                self._size = self._indexed
                return
            self._add(counted)

    def _add(self, counted: Counted) -> None:
        end = self._indexed + counted.read_bytes
        for newlines in counted.newlines:
            self._newlines += newlines
            self._indexed = min(end, (self._indexed // logs.BLOCK_BYTES + 1) * logs.BLOCK_BYTES)
            if self._indexed % logs.BLOCK_BYTES == 0:
                self._newlines_before.append(self._newlines)
        self._ends_open = counted.ends_open

    def start_of(self, number: int) -> int:
        """The byte where line `number` (from 0) starts; the end of the indexed part for lines beyond it."""
        if number <= 0:
            return 0
        if number > self._newlines:
            return self._indexed
        block = bisect_left(self._newlines_before, number) - 1
        content = self._pread(logs.BLOCK_BYTES, block * logs.BLOCK_BYTES)
        at = -1
        for _ in range(number - self._newlines_before[block]):
            at = content.find(b"\n", at + 1)
            if at < 0:
                return self._indexed
        return block * logs.BLOCK_BYTES + at + 1

    def read(self, first: int, count: int) -> list[RawLine]:
        """Up to `count` lines from line `first`; fewer where the file ends (or was shortened meanwhile)."""
        count = min(count, self.extent.lines - first)
        lines: list[RawLine] = []
        at, base, content = self.start_of(first), 0, b""
        while len(lines) < count and at < self._indexed:
            end = content.find(b"\n", at - base) if base <= at < base + len(content) else -1
            if end < 0:
                base, content = at, self._pread(min(logs.BLOCK_BYTES, self._indexed - at), at)
                end = content.find(b"\n")
            if end < 0:
                stop = self.start_of(first + len(lines) + 1)
                is_last = first + len(lines) >= self._newlines
                lines.append(self._long_line(at, stop if is_last else stop - 1))
                at = stop
                continue
            lines.append(_line_of(content[at - base : end]))
            at = base + end + 1
        return lines

    def tail(self) -> list[RawLine]:
        """The last lines, found without the index."""
        start = max(0, self._size - TAIL_BYTES)
        content = self._pread(self._size - start, start)
        if start > 0:
            content = content.partition(b"\n")[2] or content[-MAX_LINE_BYTES:]
        lines = content.split(b"\n")
        return [_line_of(line) for line in (lines[:-1] if not lines[-1] else lines)]

    def _long_line(self, start: int, end: int) -> RawLine:
        """A line too long to read whole: its end where it rewrites itself by carriage returns, else its start."""
        if end - start <= MAX_LINE_BYTES:
            return RawLine(self._pread(end - start, start))
        tail = self._pread(MAX_LINE_BYTES, end - MAX_LINE_BYTES)
        if (rewritten := tail.partition(b"\r")[2]).strip():
            return RawLine(rewritten)
        return RawLine(self._pread(MAX_LINE_BYTES, start), end - start - MAX_LINE_BYTES)

    def _pread(self, count: int, offset: int) -> bytes:
        return self._content.pread(count, offset) if count > 0 else b""


def _line_of(content: bytes) -> RawLine:
    """A line held in memory: cut like a long one, without its bytes before the last carriage return."""
    if len(content) <= MAX_LINE_BYTES:
        return RawLine(content)
    if (rewritten := content[-MAX_LINE_BYTES:].partition(b"\r")[2]).strip():
        return RawLine(rewritten)
    return RawLine(content[:MAX_LINE_BYTES], len(content) - MAX_LINE_BYTES)
