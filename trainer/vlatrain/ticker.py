"""Progress of long work: one line that changes on a terminal, a line every few seconds in a log."""

import math
import time
from collections.abc import Callable
from typing import TextIO


class Ticker:
    """One line on a terminal that changes in place; in a log, a line every few seconds.

    As a context manager it ends its line whatever happens, so that an error stands on a line of its own.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._every_s = 0.1 if self._is_terminal else 5.0
        self._last = -math.inf
        self._text = self._shown = ""

    def __enter__(self) -> "Ticker":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def __call__(self, text: str) -> None:
        self._text = text
        if self._clock() - self._last >= self._every_s:
            self._last = self._clock()
            self._show()

    def _show(self) -> None:
        self._shown = self._text
        self._stream.write(f"\r\033[K{self._shown}" if self._is_terminal else f"{self._shown}\n")
        self._stream.flush()

    def end(self) -> None:
        """Shows the last text, where it is not there, and goes to the next line."""
        if self._text != self._shown:
            self._show()
        if self._text:
            self._stream.write("\n" * self._is_terminal)
        self._text = self._shown = ""


def gigabytes(done: int, total: int, doing: str) -> str:
    """E.g. "loading 3.2 of 15.1 GB (21 %)"; small amounts in MB."""
    unit, name = (1e9, "GB") if total >= 1e9 else (1e6, "MB")
    share = f" ({100 * done // total} %)" if total else ""
    return f"{doing} {done / unit:.1f} of {total / unit:.1f} {name}{share}"
