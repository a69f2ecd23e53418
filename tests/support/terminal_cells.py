"""A terminal as far as the dashboard uses one: moves of the cursor, colours and text become cells. No wrapping."""

import re
import unicodedata
from collections.abc import Callable

_PARTS = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([\d;]*)m|\n|([^\x1b\n]+)")
Cell = tuple[str, str]
BLANK: Cell = (" ", "")


def usual_width(character: str) -> int:
    """As most terminals count."""
    if unicodedata.category(character)[0] == "M" or character == "\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def old_width(character: str) -> int:
    """As a terminal counts that knows no emoji, and gives marks a cell."""
    is_letter = unicodedata.category(character) != "So"
    return 2 if is_letter and unicodedata.east_asian_width(character) in "WF" else 1


class TerminalCells:
    """`cells` holds character and colours of each cell; the second half of a wide character is an empty string."""

    def __init__(self, width: int, height: int, width_of: Callable[[str], int] = usual_width) -> None:
        self.cells = [[BLANK] * width for _ in range(height)]
        self.written = 0
        self._width, self._height, self._width_of = width, height, width_of
        self._x = self._y = 0

    def write(self, sequences: str) -> None:
        colour = ""
        for found in _PARTS.finditer(sequences):
            row, column, sgr, text = found.groups()
            if row is not None:
                self._y, self._x = int(row) - 1, int(column) - 1
            elif sgr is not None:
                colour = "" if sgr in ("", "0") else sgr
            elif text is None:
                self._y = min(self._y + 1, self._height - 1)
            else:
                self.written += len(text)
                for character in text:
                    self._put(character, colour)

    def _put(self, character: str, colour: str) -> None:
        line, width = self.cells[self._y], self._width_of(character)
        if width == 0:
            before = self._x - 1 if self._x and line[self._x - 1][0] else self._x - 2
            if before >= 0:
                line[before] = (line[before][0] + character, line[before][1])
            return
        if self._x + width > self._width:
            return
        for at in range(self._x, self._x + width):
            self._break(line, at)
            line[at] = ("", colour)
        line[self._x] = (character, colour)
        self._x += width

    def _break(self, line: list[Cell], at: int) -> None:
        """Half of a wide character that is written over takes the other half with it."""
        if line[at][0] == "" and at:
            line[at - 1] = BLANK
        if at + 1 < self._width and line[at + 1][0] == "":
            line[at + 1] = BLANK
