"""Lines of a log ready to paint: cleaned text with the colours it came with, held within a bound."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.ansi import AnsiDecoder
from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from vlad.records.terminal_text import clean_line

from vlatui.log.file import RawLine

CACHE_CHARACTERS = 2_000_000
LEAST_LINES = 256


@dataclass(frozen=True, slots=True)
class ShownLine:
    """Text without any control character, and styles from where to where."""

    text: str
    styles: tuple[tuple[int, int, Style], ...] = ()


def shown_line(raw: RawLine) -> ShownLine:
    """A raw line as it may be shown: of its escape sequences only colours survive, as styles."""
    text = clean_line(raw.content)
    if raw.left_out:
        text += f" … [{raw.left_out:,} bytes left out]"
    if "\x1b" not in text:
        return ShownLine(text)
    decoded = AnsiDecoder().decode_line(text)
    styles = ((span.start, span.end, span.style) for span in decoded.spans if isinstance(span.style, Style))
    return ShownLine(decoded.plain, tuple(styles))


class LineCache:
    """Lines by number; the ones not looked at for longest go first."""

    def __init__(self, most_characters: int = CACHE_CHARACTERS) -> None:
        self._most = most_characters
        self._lines: OrderedDict[int, ShownLine] = OrderedDict()
        self._held = 0
        self.width = 0

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, number: int) -> bool:
        return number in self._lines

    def get(self, number: int) -> ShownLine | None:
        line = self._lines.get(number)
        if line is not None:
            self._lines.move_to_end(number)
        return line

    def hold(self, lines: Mapping[int, ShownLine]) -> None:
        for number, line in lines.items():
            self._drop(number)
            self._lines[number] = line
            self._held += len(line.text)
            self.width = max(self.width, cell_len(line.text))
        while self._held > self._most and len(self._lines) > LEAST_LINES:
            self._drop(next(iter(self._lines)))

    def drop_from(self, number: int) -> None:
        """Forgets line `number` and all after it: they may have grown."""
        for held in [held for held in self._lines if held >= number]:
            self._drop(held)

    def clear(self) -> None:
        self._lines.clear()
        self._held = self.width = 0

    def _drop(self, number: int) -> None:
        if (line := self._lines.pop(number, None)) is not None:
            self._held -= len(line.text)


def styled(text: str, styles: Sequence[tuple[int, int, Style]]) -> list[Segment]:
    """Text cut where a style begins or ends; later styles lie over earlier ones."""
    if not styles or not text:
        return [Segment(text)]
    edges = {0, len(text)} | {min(edge, len(text)) for start, end, _ in styles for edge in (start, end)}
    cuts = sorted(edges)
    segments = []
    for start, end in pairwise(cuts):
        over = [style for first, last, style in styles if first <= start and end <= last]
        segments.append(Segment(text[start:end], Style.combine(over) if over else None))
    return segments


def broken(segments: Sequence[Segment], width: int) -> list[list[Segment]]:
    """Segments over as many rows of at most `width` cells (2 or more) as they need."""
    rows: list[list[Segment]] = [[]]
    room = width
    for text, style, _ in segments:
        while text:
            head = text if cell_len(text) <= room else _head(text, room)
            rows[-1].append(Segment(head, style))
            room -= cell_len(head)
            text = text[len(head) :]
            if text:
                rows.append([])
                room = width
    return rows


def _head(text: str, room: int) -> str:
    """As much of the start of `text` as fits into `room` cells; nothing where a wide character does not."""
    head = chop_cells(text, room)[0] if room > 1 else text[: room if text.isascii() else 0]
    return head if cell_len(head) <= room else ""
