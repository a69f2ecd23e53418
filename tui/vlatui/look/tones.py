"""What colour means: the closed set of tones that every line-API widget paints with, and how spans become a strip."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size
from vlad.records.terminal_text import clean_line, without_colour


class Tone(StrEnum):
    """One meaning, one colour in each theme."""

    PLAIN = "plain"
    STRONG = "strong"
    MUTED = "muted"
    COUNT = "count"
    FAINT = "faint"
    TITLE = "title"
    ACCENT = "accent"
    INFO = "info"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    CURSOR = "cursor"
    MARK = "mark"
    MATCH = "match"
    MATCH_NOW = "match-now"
    TREND = "trend"
    SERIES_1 = "series-1"
    SERIES_2 = "series-2"
    SERIES_3 = "series-3"
    SERIES_4 = "series-4"


LEAST_ROOM = 16
SERIES = (Tone.SERIES_1, Tone.SERIES_2, Tone.SERIES_3, Tone.SERIES_4)


class Span(NamedTuple):
    """Text in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


Cell = tuple[Span, ...]
Line = list[Span]


def cell(text: str, tone: Tone = Tone.PLAIN) -> Cell:
    return (Span(text, tone),)


def safe(text: str) -> str:
    """`text` with nothing in it that a terminal would obey: names, messages and quoted evidence come from anywhere."""
    if text.isprintable():
        return text
    return without_colour(clean_line(text.replace("\n", " ").encode("utf-8", "replace")))


def broken_text(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between words, and between wide characters anywhere."""
    lines, line, room = [], "", width
    parts = re.findall(r"[\u1100-\uffff]|[^\s\u1100-\uffff]+|\s", text)
    for part in (piece for whole in parts for piece in chop_cells(whole, width)):
        if cell_len(part) > room and line.strip():
            lines.append(line.rstrip())
            line, room = "", width
        if line or not part.isspace():
            line, room = line + part, room - cell_len(part)
    return [*lines, line.rstrip()] if line.strip() else lines


def broken_line(line: Line, width: int) -> list[Line]:
    """The line within `width` cells: its last part goes on below where it begins, where that leaves it some room."""
    if width_of(line) <= width:
        return [line]
    *before, last = line
    lead = " " * (len(last.text) - len(last.text.lstrip(" ")))
    indent = width_of(before) + len(lead)
    if width - indent < LEAST_ROOM:
        return [line]
    first, *rest = broken_text(last.text.strip(), width - indent)
    return [[*before, Span(lead + first, last.tone)], *([Span(" " * indent + text, last.tone)] for text in rest)]


def cut(text: str, width: int) -> str:
    """`text` within `width` cells, an ellipsis in place of what is cut."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def width_of(spans: Iterable[Span]) -> int:
    """Cells on the terminal."""
    return sum(cell_len(span.text) for span in spans)


def fitted(spans: Sequence[Span], width: int, align: str = "left") -> list[Span]:
    """Spans of exactly `width` cells: cut with an ellipsis (a count at the end stays), else padded as `align` says."""
    missing = width - width_of(spans)
    if missing >= 0:
        blank = Span(" " * missing)
        return [blank, *spans] if align == "right" else [*spans, blank]
    last = spans[-1] if spans else Span("")
    if last.tone is Tone.COUNT and LEAST_ROOM // 2 + cell_len(last.text) <= width:
        return [*fitted(spans[:-1], width - cell_len(last.text)), last]
    kept: list[Span] = []
    room = width - 1
    for span in spans:
        if room <= 0:
            break
        text = span.text if cell_len(span.text) <= room else set_cell_size(span.text, room)
        kept.append(Span(text, span.tone))
        room -= cell_len(text)
    return [*kept, Span("…" if width > 0 else "", kept[-1].tone if kept else Tone.PLAIN)]


def justified(left: Sequence[Span], right: Sequence[Span], width: int) -> list[Span]:
    """`left` and `right` at the two ends of `width` cells; what does not fit is dropped from the right part."""
    room = width - width_of(left)
    if width_of(right) + 1 > room:
        return fitted(left, width)
    return [*left, Span(" " * (room - width_of(right))), *right]
