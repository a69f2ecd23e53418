"""Finds the line of a moment in a log of any size: a binary search that reads a few lines at each halving."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from vlad.records.terminal_text import clean_line, without_colour

from vlatui.log.file import LogFile
from vlatui.log.moments import clock_words, stamp_in, step_in
from vlatui.look.words import tr

PROBED_LINES = 64
MOST_PROBED_LINES = 8192
"""So many lines without a time are read on for one that has; lines further apart than that may be missed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A moment (Unix seconds), and the step that the run was at then: for logs whose lines tell no time."""

    moment: float
    step: float | None = None


class Found(NamedTuple):
    """A line by its number (from 0) and its time; without one where lines were compared by their steps."""

    line: int
    moment: float | None
    step: float | None = None

    @property
    def words(self) -> str:
        """What was found there."""
        return clock_words(self.moment) if self.moment is not None else tr("step {step}", step=f"{self.step:,.0f}")


def sought(file: LogFile, wanted: Wanted) -> Found | None:
    """The first line at or after the moment, else the last with a time; None where lines tell neither time nor step."""
    if (at := first_from(file, stamp_in, wanted.moment)) is not None:
        return Found(at[0], at[1])
    if wanted.step is not None and (at := first_from(file, step_in, wanted.step)) is not None:
        return Found(at[0], None, at[1])
    return None


def first_from(file: LogFile, key_of: Callable[[str], float | None], wanted: float) -> tuple[int, float] | None:
    """The first line whose key is `wanted` or more, else the last one seen below it, with its key.

    Keys rise from line to line (lines without one are passed over); None where none was found.
    """
    low, high = 0, file.extent.lines
    found: tuple[int, float] | None = None
    below: tuple[int, float] | None = None
    while low < high:
        middle = (low + high) // 2
        near = _next_key(file, key_of, middle, high)
        if near is None:
            high = middle
        elif near[1] < wanted:
            below, low = near, near[0] + 1
        else:
            found, high = near, middle
    return found or below


def _next_key(file: LogFile, key_of: Callable[[str], float | None], first: int, end: int) -> tuple[int, float] | None:
    """The first line from `first` on, before `end`, that has a key."""
    count = 8
    end = min(end, first + MOST_PROBED_LINES)
    while first < end:
        lines = file.read(first, min(count, end - first))
        for number, raw in enumerate(lines, first):
            if (key := key_of(without_colour(clean_line(raw.content)))) is not None:
                return number, key
        if not lines:
            return None
        first, count = first + len(lines), PROBED_LINES
    return None
