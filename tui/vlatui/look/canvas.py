"""A drawing area of terminal cells: braille dots (two by four a cell) with whole characters laid over them."""

from vlatui.look.tones import Span, Tone

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
DOTS_ACROSS, DOTS_DOWN = 2, 4


class Canvas:
    """`width` by `height` cells. Dots are counted from the top left; what lies outside is left out.

    A cell has one tone: that of the last thing drawn there.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._dots = [bytearray(width) for _ in range(height)]
        self._tones: list[list[Tone]] = [[Tone.PLAIN] * width for _ in range(height)]
        self._characters: dict[tuple[int, int], str] = {}

    def dot(self, x: int, y: int, tone: Tone) -> None:
        """Sets the dot in column `x` (two a cell) and row `y` (four a cell)."""
        column, row = x // DOTS_ACROSS, y // DOTS_DOWN
        if 0 <= column < self.width and 0 <= row < self.height:
            self._dots[row][column] |= DOTS[y % DOTS_DOWN][x % DOTS_ACROSS]
            self._tones[row][column] = tone

    def line(self, start: tuple[float, float], end: tuple[float, float], tone: Tone) -> None:
        """A straight line between two places in dots."""
        (x0, y0), (x1, y1) = start, end
        pieces = max(1, round(max(abs(x1 - x0), abs(y1 - y0))))
        for piece in range(pieces + 1):
            part = piece / pieces
            self.dot(round(x0 + (x1 - x0) * part), round(y0 + (y1 - y0) * part), tone)

    def put(self, column: int, row: int, text: str, tone: Tone) -> None:
        """Whole characters (one cell wide each) over the dots."""
        for position, character in enumerate(text, column):
            if 0 <= position < self.width and 0 <= row < self.height:
                self._characters[position, row] = character
                self._tones[row][position] = tone

    def is_free(self, column: int, row: int, length: int) -> bool:
        """Whether nothing is drawn in `length` cells from `column`, and all of them are on the canvas."""
        return (
            0 <= row < self.height
            and column >= 0
            and column + length <= self.width
            and not any(self._dots[row][at] or (at, row) in self._characters for at in range(column, column + length))
        )

    def rows(self) -> list[list[Span]]:
        """Each row as spans of one tone."""
        return [self._row(row) for row in range(self.height)]

    def _row(self, row: int) -> list[Span]:
        spans: list[Span] = []
        for column in range(self.width):
            dots = self._dots[row][column]
            character = self._characters.get((column, row)) or (chr(BRAILLE + dots) if dots else " ")
            tone = self._tones[row][column]
            if spans and spans[-1].tone is tone:
                spans[-1] = Span(spans[-1].text + character, tone)
            else:
                spans.append(Span(character, tone))
        return spans
