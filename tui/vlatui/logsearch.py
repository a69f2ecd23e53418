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
    flags = compiled(pattern).flags & re.IGNORECASE
    needle = re.compile(pattern.encode(), flags | re.MULTILINE)
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


def _collect(needle: re.Pattern[bytes], content: bytes, number: int, found: "array[int]") -> None:
    """Adds the line numbers of matches in `content`, whose first line is line `number`."""
    content = _as_shown(content)
    counted = 0
    at = 0
    while at <= len(content) and (match := needle.search(content, at)):
        number += content.count(b"\n", counted, match.start())
        counted = match.start()
        if match.start() < len(content) and (not found or found[-1] != number):
            found.append(number)
        end_of_line = content.find(b"\n", match.start())
        if end_of_line < 0:
            return
        at = end_of_line + 1


def _as_shown(content: bytes) -> bytes:
    """Lines without escape sequences and without what a carriage return overwrites."""
    if b"\r" in content:
        content = _OVERWRITTEN.sub(b"", content).replace(b"\r\n", b"\n")
    return _ESCAPES.sub(b"", content) if b"\x1b" in content else content
