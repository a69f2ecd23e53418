"""Search through a whole log file by regular expression, at the speed of the disk. Touches the disk."""

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
MOST_MATCHES = 1_000_000
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_OVERWRITTEN = re.compile(rb"[^\n]*\r(?=[^\r\n]*[^\s])")


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


def search(path: Path, pattern: str, is_cancelled: Callable[[], bool] = lambda: False) -> Matches:
    """The lines of `path` that match. Raises re.error and OSError."""
    needle = _needle(pattern)
    found = array("Q")
    number, rest = 0, b""
    with path.open("rb", buffering=0) as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            if is_cancelled() or len(found) >= MOST_MATCHES:
                return Matches(pattern, found, is_complete=False)
            content = rest + chunk
            end = content.rfind(b"\n") + 1 if chunk else len(content)
            if end == 0 and chunk and len(content) < 4 * CHUNK_BYTES:
                rest = content
                continue
            whole, rest = (content[:end], content[end:]) if end else (content, b"")
            _collect(needle, whole, number, found)
            number += whole.count(b"\n")
            if not chunk:
                return Matches(pattern, found)


@dataclass(frozen=True, slots=True)
class _Needle:
    """What is looked for: a text that can be found as it is, or else a regular expression."""

    text: bytes | None
    expression: re.Pattern[bytes]
    ignores_case: bool

    def prepared(self, content: bytes) -> bytes:
        return content.lower() if self.text is not None and self.ignores_case else content

    def find(self, content: bytes, at: int) -> int:
        """Where the next match starts, -1 where there is none."""
        if self.text is not None:
            return content.find(self.text, at)
        match = self.expression.search(content, at)
        return -1 if match is None else match.start()


def _needle(pattern: str) -> _Needle:
    """Plain text is found ten times as fast as an expression that ignores case."""
    ignores_case = bool(compiled(pattern).flags & re.IGNORECASE)
    expression = re.compile(pattern.encode(), (re.IGNORECASE if ignores_case else re.NOFLAG) | re.MULTILINE)
    is_plain = bool(pattern) and pattern.isascii() and not set(pattern) & set(r"\.^$*+?{}[]|()")
    return _Needle(pattern.encode() if is_plain else None, expression, ignores_case)


def _collect(needle: _Needle, content: bytes, number: int, found: "array[int]") -> None:
    """Adds the line numbers of matches in `content`, whose first line is line `number`."""
    content = needle.prepared(_as_shown(content))
    counted = 0
    at = 0
    while at <= len(content) and (start := needle.find(content, at)) >= 0:
        number += content.count(b"\n", counted, start)
        counted = start
        if start < len(content) and (not found or found[-1] != number):
            found.append(number)
        end_of_line = content.find(b"\n", start)
        if end_of_line < 0:
            return
        at = end_of_line + 1


def _as_shown(content: bytes) -> bytes:
    """Lines without escape sequences and without what a carriage return overwrites."""
    if b"\r" in content:
        content = _OVERWRITTEN.sub(b"", content).replace(b"\r\n", b"\n")
    return _ESCAPES.sub(b"", content) if b"\x1b" in content else content
