"""Search through a whole log file by regular expression, at the speed of the disk. Touches the disk.

The file is cut into pieces that are searched by threads: reading and RE2's matching need no interpreter lock.
"""

import os
import re
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vlad.records.terminal_text import last_overwrite

PIECE_BYTES = 4 * 1024 * 1024
LONG_LINE_BYTES = 256 * 1024
OVERLAP_BYTES = 4 * 1024
MOST_MATCHES = 1_000_000
MOST_THREADS = 4
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


@dataclass(frozen=True, slots=True)
class Matches:
    """Numbers of the lines (from 0) that match, ascending; incomplete where cancelled or at the bound."""

    pattern: str
    lines: "array[int]" = field(default_factory=lambda: array("Q"))
    is_complete: bool = True


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as Python knows it; case counts only where it has a capital. Raises re.error with words."""
    flags = re.NOFLAG if any(letter.isupper() for letter in pattern) else re.IGNORECASE
    return re.compile(pattern, flags)


def search(
    path: Path, pattern: str, is_cancelled: Callable[[], bool] = lambda: False, threads: int | None = None
) -> Matches:
    """The lines of `path` that match, as they are shown: without escapes, without what was overwritten.

    Raises re.error and OSError.
    """
    find = finder(pattern)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        threads = threads or min(MOST_THREADS, os.cpu_count() or 1, size // PIECE_BYTES + 1)
        with ThreadPoolExecutor(threads, "search") as pool:
            return _gathered(pattern, _pieces(pool, handle, size, find, 2 * threads), is_cancelled)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Matching lines counted from the first line that starts in the piece, and how many start there."""

    matches: "array[int]"
    lines: int


def _pieces(
    pool: ThreadPoolExecutor, handle: int, size: int, find: "Finder", ahead: int
) -> Iterator[Future[_Piece]]:  # fmt: skip
    """The pieces in order; so many are searched ahead of the one that is asked for."""
    waiting: deque[Future[_Piece]] = deque()
    try:
        for start in range(0, size, PIECE_BYTES):
            waiting.append(pool.submit(_searched, handle, start, min(start + PIECE_BYTES, size), size, find))
            if len(waiting) > ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for piece in waiting:
            piece.cancel()


def _gathered(pattern: str, pieces: Iterator[Future[_Piece]], is_cancelled: Callable[[], bool]) -> Matches:
    found, number = array("Q"), 0
    for future in pieces:
        if is_cancelled() or len(found) >= MOST_MATCHES:
            future.cancel()
            return Matches(pattern, found, is_complete=False)
        piece = future.result()
        found.extend(number + line for line in piece.matches)
        number += piece.lines
    return Matches(pattern, found, is_complete=not is_cancelled())


def _searched(handle: int, start: int, end: int, size: int, find: "Finder") -> _Piece:
    """Searches the lines that start in [start, end)."""
    before = 1 if start else 0
    content = os.pread(handle, end - start + before, start - before)
    if before:
        first = content.find(b"\n") + 1
        if first == 0 or first > end - start:
            return _Piece(array("Q"), 0)
        content = content[first:]
    if content.endswith(b"\n"):
        return _Piece(_matching(content, find), content.count(b"\n"))
    lines = content.count(b"\n")
    rest, at = _rest_of_line(handle, end, size)
    matches = _matching(content + rest, find)
    goes_on = at < size and not rest.endswith(b"\n")
    if goes_on and (not matches or matches[-1] != lines) and _matches_further(handle, at, size, find):
        matches.append(lines)
    return _Piece(matches, lines + 1)


def _rest_of_line(handle: int, at: int, size: int) -> tuple[bytes, int]:
    """What is left of the line at byte `at` (256 KiB at most), and where that ends."""
    content = os.pread(handle, min(LONG_LINE_BYTES, size - at), at)
    line_end = content.find(b"\n") + 1
    rest = content[:line_end] if line_end else content
    return rest, at + len(rest)


def _matches_further(handle: int, at: int, size: int, find: "Finder") -> bool:
    """Whether a line too long to hold matches after byte `at`; windows overlap by 4 KiB."""
    while at < size:
        start = at - OVERLAP_BYTES
        content = os.pread(handle, min(PIECE_BYTES + OVERLAP_BYTES, size - start), start)
        line_end = content.find(b"\n", OVERLAP_BYTES)
        if next(find(as_shown(content if line_end < 0 else content[:line_end])), None) is not None:
            return True
        if line_end >= 0 or not content:
            return False
        at = start + len(content)
    return False


def _matching(content: bytes, find: "Finder") -> "array[int]":
    """Numbers of the lines of `content` that match."""
    shown = as_shown(content)
    found, counted, number = array("Q"), 0, 0
    is_closed = content.endswith(b"\n")  # else its last line may show nothing, as one of colours only does
    for start in find(shown):
        if is_closed and 0 < start == len(shown):
            break  # behind the last newline there is no line
        number += shown.count(b"\n", counted, start)
        counted = start
        if not found or found[-1] != number:
            found.append(number)
    return found


Finder = Callable[[bytes], Iterator[int]]


def finder(pattern: str) -> Finder:
    """What tells where in a text of many lines matches start, one a line. Raises re.error with words."""
    ignores_case = bool(compiled(pattern).flags & re.IGNORECASE)
    expression = _fast(pattern, ignores_case)
    if expression is None:
        flags = re.MULTILINE | (re.IGNORECASE if ignores_case else re.NOFLAG)
        expression = re.compile(pattern.encode(), flags)
    return lambda content: _one_a_line(expression, content)


class _Expression(Protocol):
    def search(self, text: bytes, pos: int = ..., /) -> Any: ...


def _one_a_line(expression: _Expression, content: bytes) -> Iterator[int]:
    at = 0
    while at <= len(content) and (match := expression.search(content, at)) is not None:
        start: int = match.start()
        yield start
        at = content.find(b"\n", start) + 1
        if at == 0:
            return


def _fast(pattern: str, ignores_case: bool) -> _Expression | None:
    """The pattern for RE2, ten times as fast where case is ignored; None for look-around and the like."""
    import re2  # 1 MB that only a search needs

    options = re2.Options()
    options.case_sensitive, options.never_nl, options.log_errors = not ignores_case, True, False
    try:
        expression: _Expression = re2.compile(f"(?m){pattern}", options)
    except re2.error:
        return None
    return expression


def as_shown(content: bytes) -> bytes:
    """Lines without escape sequences and without what a carriage return overwrites."""
    if b"\r" in content:
        content = _without_overwritten(content.replace(b"\r\n", b"\n"))
    return _ESCAPES.sub(b"", content) if b"\x1b" in content else content


def _without_overwritten(content: bytes) -> bytes:
    kept: list[bytes] = []
    copied = 0
    while (at := content.find(b"\r", copied)) >= 0:
        start = content.rfind(b"\n", copied, at) + 1 or copied
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        kept += (content[copied:start], last_overwrite(content[start:end]))
        copied = end
    return b"".join((*kept, content[copied:]))
