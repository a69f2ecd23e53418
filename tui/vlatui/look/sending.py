"""Sends the terminal only the cells that differ from those sent before. Textual sends whole lines of a widget.

What was sent is held strip by strip; a painting of the whole screen is always sent whole, and replaces all of it. Lines
with characters that terminals disagree on are sent as Textual sends them: a shifted cell must not stay where it is.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

JOINED = 8
"""Equal cells between two that differ which cost less to send again than a second move of the cursor."""
FIRST_EMOJI = 0x1F000

_Cell = tuple[str, Style | None, int]


class SentCells:
    """What the terminal shows as far as it was sent: strips by the line and the column where each begins."""

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, Strip]] = {}

    def forget(self) -> None:
        """Nobody knows what the terminal shows now; the next updates are sent whole."""
        self._lines.clear()

    def update_of(self, renderable: RenderableType | None) -> RenderableType | None:
        """What to send instead of one of Textual's updates. What is no update of the screen makes all forgotten."""
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            return CellsUpdate(renderable, self)
        if renderable is not None:
            self.forget()
        return renderable

    def hold(self, update: LayoutUpdate) -> None:
        """The whole screen is painted."""
        self.forget()
        for y, strips in enumerate(update.strips, update.region.y):
            line, x = self._lines.setdefault(y, {}), update.region.x
            for strip in strips:
                line[x] = strip
                x += strip.cell_length

    def changes(self, update: ChopsUpdate, console: Console) -> Iterator[str]:
        """The sequences that bring the terminal to what `update` paints."""
        spans: dict[int, list[tuple[int, int]]] = {}
        for y, start, end in update.spans:
            spans.setdefault(y, []).append((start, end))
        for y, parts in spans.items():
            painted = {
                x: strip
                for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False)
                if strip is not None and any(x < last and first < end for first, last in parts)
            }
            line = self._lines.setdefault(y, {})
            if all(map(is_certain, (*line.values(), *painted.values()))):
                for x, strip in painted.items():
                    yield from _sent(line, x, y, strip, console)
            else:
                line.clear()
                yield ChopsUpdate(update.chops, [(y, *part) for part in parts], update.chop_ends).render_segments(
                    console
                )


class CellsUpdate(CompositorUpdate):
    """One of Textual's updates, of which only the cells that changed are sent."""

    def __init__(self, update: LayoutUpdate | ChopsUpdate, sent: SentCells) -> None:
        self._update = update
        self._sent = sent

    def render_segments(self, console: Console) -> str:
        """Called when it is written, and only then."""
        if isinstance(self._update, ChopsUpdate):
            return "".join(self._sent.changes(self._update, console))
        self._sent.hold(self._update)
        return self._update.render_segments(console)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._update.__rich_console__(console, options)


def _sent(line: dict[int, Strip], x: int, y: int, strip: Strip, console: Console) -> Iterator[str]:
    """The parts of a strip at column `x` that `line` does not hold yet; then it does."""
    before, width = line.get(x), strip.cell_length
    if before is strip:
        return
    parts = [(0, width)]
    if before is not None and before.cell_length == width:
        parts = changed_cells(before, strip)
    else:
        for start in [start for start, old in line.items() if start < x + width and x < start + old.cell_length]:
            del line[start]
    line[x] = strip
    for start, end in parts:
        yield Control.move_to(x + start, y).segment.text
        yield strip.crop(start, end).render(console)


def changed_cells(before: Strip, after: Strip) -> list[tuple[int, int]]:
    """The parts (first cell, one past the last) in which two strips of one length differ, from left to right.

    A wide character is never cut: where one of its cells differs, so does the other.
    """
    was, now = _cells(before), _cells(after)
    if len(was) != len(now):
        return [(0, after.cell_length)]
    parts: list[tuple[int, int]] = []
    for at, (old, new) in enumerate(zip(was, now, strict=True)):
        if old == new:
            continue
        if parts and at - parts[-1][1] < JOINED:
            parts[-1] = (parts[-1][0], at + 1)
        else:
            parts.append((at, at + 1))
    return parts


def _cells(strip: Strip) -> list[_Cell]:
    """Each cell's character and style, and which part of a wide character it is."""
    cells: list[_Cell] = []
    for text, style, _ in strip:
        if text.isascii():
            cells += [(character, style, 0) for character in text]
        else:
            cells += [(character, style, part) for character in text for part in range(cell_len(character))]
    return cells


def is_certain(strip: Strip) -> bool:
    """Whether every terminal gives each of its characters the cells that we count."""
    return all(
        text.isprintable() and (text.isascii() or all(map(_has_certain_width, set(text)))) for text, _, _ in strip
    )


@cache
def _has_certain_width(character: str) -> bool:
    """No marks, joiners and controls, no emoji, nothing written from right to left; wide are the letters of CJK."""
    category = unicodedata.category(character)
    if category[0] in "MC" or ord(character) >= FIRST_EMOJI or unicodedata.bidirectional(character) in ("R", "AL"):
        return False
    is_wide = unicodedata.east_asian_width(character) in "WF"
    return cell_len(character) == (2 if is_wide and category != "So" else 1)
