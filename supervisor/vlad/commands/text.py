"""Plain text for terminals: aligned tables, and colour only where somebody sees it and wants it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from vlad.records.run import State
from vlad.records.terminal_text import clean_line, without_colour

_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")


class Tone(StrEnum):
    """What a text means; the value is its colour."""

    GOOD = "32"
    BUSY = "36"
    CARE = "33"
    BAD = "31"
    QUIET = "2"
    TITLE = "1"


STATE_TONES = {
    State.QUEUED: Tone.QUIET,
    State.STARTING: Tone.BUSY,
    State.RUNNING: Tone.BUSY,
    State.BACKOFF: Tone.CARE,
    State.STOPPING: Tone.CARE,
    State.STOPPED: Tone.CARE,
    State.SUCCEEDED: Tone.GOOD,
    State.FAILED: Tone.BAD,
}


def wants_colour(stream: TextIO) -> bool:
    """On a terminal that can, unless NO_COLOR says no (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours text, or does not."""

    is_on: bool

    @classmethod
    def for_stream(cls, stream: TextIO) -> "Ink":
        return cls(wants_colour(stream))

    def __call__(self, text: str, tone: Tone | None) -> str:
        return f"\x1b[{tone}m{text}\x1b[0m" if self.is_on and tone is not None and text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; in a terminal too narrow for all, those with the highest `expendable` go first."""

    title: str
    right: bool = False
    expendable: int = 0


def safe(text: str) -> str:
    """Text from elsewhere (a log, a name, a command line), harmless to a terminal and without colour."""
    return without_colour(harmless(text))


def harmless(text: str) -> str:
    """Text of which a terminal obeys nothing but colours."""
    return "\n".join(clean_line(line.encode("utf-8", "replace")) for line in text.split("\n"))


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], ink: Ink, width: int | None = None) -> str:
    """Rows under their titles, each column as wide as it must be; colours in cells take no room."""
    rows = [[harmless(cell) for cell in row] for row in rows]
    keep = _kept_columns(columns, rows, width)
    titles = [ink(columns[index].title, Tone.TITLE) for index in keep]
    lines = [titles, *([row[index] for index in keep] for row in rows)]
    widths = [max(visible_width(line[place]) for line in lines) for place in range(len(keep))]
    return "\n".join(
        "  ".join(
            _aligned(cell, room, columns[index].right) for cell, room, index in zip(line, widths, keep, strict=True)
        ).rstrip()
        for line in lines
    )


def _kept_columns(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    widths = [
        max(visible_width(column.title), *(visible_width(row[index]) for row in rows), 0)
        for index, column in enumerate(columns)
    ]
    keep = list(range(len(columns)))
    while width is not None and sum(widths[index] + 2 for index in keep) - 2 > width:
        index = max(keep, key=lambda index: columns[index].expendable)
        if not columns[index].expendable:
            break
        keep.remove(index)
    return keep


def visible_width(text: str) -> int:
    """Characters that a terminal shows."""
    return len(_SEQUENCE.sub("", text))


def _aligned(cell: str, width: int, right: bool) -> str:
    room = " " * (width - visible_width(cell))
    return room + cell if right else cell + room


def pairs(rows: Sequence[tuple[str, str]], ink: Ink) -> str:
    """Names and values, one a line; a value's further lines stand below it."""
    width = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, value in rows:
        first, *rest = harmless(value).split("\n")
        lines.append(f"{ink(name, Tone.QUIET)}{' ' * (width - len(name))}  {first}".rstrip())
        lines += [f"{' ' * width}  {line}".rstrip() for line in rest]
    return "\n".join(lines)


def terminal_columns(stream: TextIO) -> int | None:
    """How wide the terminal is; None where there is none, which means: as wide as it gets."""
    if not stream.isatty():
        return None
    return os.get_terminal_size(stream.fileno()).columns or None
