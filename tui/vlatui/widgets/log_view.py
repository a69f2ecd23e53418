"""The lines of one log: paints what is visible, asks a thread for what is missing, keeps a few MB whatever the size."""

import re
import textwrap
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from vlatui.log.file import Extent
from vlatui.log.lines import LineCache, ShownLine, broken, styled
from vlatui.log.place import LocalPlace, LogPlace
from vlatui.log.reader import LogFailed, LogFetched, LogLooked, LogReader, LogSought
from vlatui.log.seeking import Wanted
from vlatui.look.tones import Span, Tone
from vlatui.look.words import tr
from vlatui.reading.threads import start_thread
from vlatui.widgets.following_scroll import FollowingScroll

AHEAD = 64
MOST_HIGHLIT = 4096
MOST_STRIPS = 512


class LogView(FollowingScroll, can_focus=True):
    """One log at a time, by line number. Follows its end until somebody scrolls away from it."""

    when_empty: reactive[tuple[str, ...]] = reactive(())

    class Looked(Message):
        """What the status line says may have changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.extent = Extent(0, 0, 0)
        self.path: Path | None = None
        self.failure = ""
        self.pattern: re.Pattern[str] | None = None
        self.current_match: int | None = None
        self.place: LogPlace = LocalPlace()
        self._reader = LogReader(self.post_message, lambda path: self.place.content(path))
        self._generation = 0
        self._lines = LineCache()
        self._provisional: tuple[ShownLine, ...] | None = None
        self._shown_numbers: array[int] | None = None
        self._asked: frozenset[int] = frozenset()
        self._strips: LRUCache[tuple[int, ShownLine | None], Strip] = LRUCache(MOST_STRIPS)
        self._strips_view: object = None
        self._lit: int | None = None

    def on_mount(self) -> None:
        start_thread("log reader", self._reader.run)

    def on_unmount(self) -> None:
        self._reader.stop()

    def open(self, path: Path | None) -> None:
        """Shows another log from its end; None shows none."""
        if path == self.path:
            return
        self.path = path
        self._generation += 1
        self._forget()
        self.extent, self.failure, self._shown_numbers, self.current_match = Extent(0, 0, 0), "", None, None
        self._provisional = None
        self.follows = True
        if path is not None:
            self._reader.open(path, self._generation)
        self.resized()

    def seek(self, wanted: Wanted) -> None:
        """Has a moment looked for; `LogSought` tells where it is."""
        if self.path is not None:
            self._reader.seek(wanted, self._generation)

    def on_log_sought(self, message: LogSought) -> None:
        """Of the log that is shown it is for somebody above."""
        if message.generation != self._generation:
            message.stop()

    def look(self) -> None:
        """Has the file looked at again."""
        if self.path is not None:
            self._reader.look()

    def show_only(self, numbers: "array[int] | None") -> None:
        """Shows the lines with these numbers only; None shows all."""
        self._shown_numbers = numbers
        self.resized()
        self.to_end() if self.follows else self.scroll_to(y=0, animate=False)

    def highlight(self, pattern: re.Pattern[str] | None, current: int | None = None) -> None:
        """Lights up what matches; `current` is the line number of the match under the cursor."""
        self.pattern, self.current_match = pattern, current
        self.refresh()

    def go_to(self, number: int, *, lights: bool = False) -> None:
        """Brings a line (from 0) into the upper third and stops following; `lights` it up until it is followed."""
        self.follows, self._lit = False, number if lights else None
        at = number if self._shown_numbers is None else bisect_left(self._shown_numbers, number)
        self.scroll_itself(max(0, at - self.size.height // 3))

    @property
    def line_count(self) -> int:
        """Lines that can be scrolled through now."""
        if self._provisional is not None:
            return len(self._provisional)
        return self.extent.lines if self._shown_numbers is None else len(self._shown_numbers)

    @property
    def visible_text(self) -> str:
        """The lines on screen, without colour."""
        top = self.scroll_offset.y
        lines = (self._line(position) for position in range(top, min(top + self.size.height, self.line_count)))
        return "\n".join(line.text for line in lines if line is not None)

    def on_log_looked(self, message: LogLooked) -> None:
        message.stop()
        if message.generation != self._generation:
            return
        self.failure = ""
        if message.restarted:
            self._forget()
        else:
            self._lines.drop_from(min(message.first, self.extent.lines - 1))
        self.extent = message.extent
        if message.is_provisional:
            self._provisional = message.tail or self._provisional or ()
        else:
            self._leave_provisional()
            self._lines.hold(dict(enumerate(message.tail, message.first)))
        self._asked = frozenset()
        self.resized()
        self.post_message(self.Looked())

    def on_log_fetched(self, message: LogFetched) -> None:
        message.stop()
        if message.generation == self._generation:
            self._lines.hold(message.lines)
            self._asked -= message.lines.keys()
            self.resized()

    def on_log_failed(self, message: LogFailed) -> None:
        message.stop()
        if message.generation == self._generation:
            self.failure = message.words
            self.refresh()
            self.post_message(self.Looked())

    def _leave_provisional(self) -> None:
        """The index is complete: the same lines get their true numbers."""
        if self._provisional is not None:
            moved = self.extent.lines - len(self._provisional)
            self._provisional = None
            self.set_extent(self._lines.width, self._height())
            if not self.follows:
                self.scroll_itself(self.scroll_offset.y + moved)

    def _forget(self) -> None:
        self._lines.clear()
        self._asked = frozenset()

    def resized(self) -> None:
        self.set_extent(0 if self.wraps else self._lines.width, self._height())
        if self.follows:
            self.to_end()
        self.refresh()

    def _height(self) -> int:
        """In wrap mode every line can be brought to the top."""
        return self.line_count + (max(0, self.size.height - 1) if self.wraps and not self.follows else 0)

    def watch_follows(self, follows: bool) -> None:
        if follows:
            self._lit = None
        super().watch_follows(follows)
        self.post_message(self.Looked())

    def watch_wraps(self) -> None:
        super().watch_wraps()
        self.post_message(self.Looked())

    def on_resize(self, event: events.Resize) -> None:
        self.resized()

    def _line(self, position: int) -> ShownLine | None:
        """The line at a position of the scrolled area, None while it is not read yet (it is then asked for)."""
        if self._provisional is not None:
            return self._provisional[position] if position < len(self._provisional) else None
        number = self._number(position)
        line = self._lines.get(number)
        if line is None:
            self._ask_around(position)
        return line

    def _number(self, position: int) -> int:
        return position if self._shown_numbers is None else self._shown_numbers[position]

    def _ask_around(self, position: int) -> None:
        """Asks for the lines on screen and some before and after, once."""
        top = self.scroll_offset.y
        window = range(max(0, top - AHEAD), min(self.line_count, top + self.size.height + AHEAD))
        missing = frozenset(number for at in window if (number := self._number(at)) not in self._lines)
        if self._number(position) not in self._asked:
            self._asked = missing
            self._reader.fetch(sorted(missing), self._generation)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self.line_count or self.failure:
            return self._empty_line(y, width)
        rows = self._wrapped_rows(width) if self.wraps else None
        if rows is not None:
            return rows[y] if y < len(rows) else Strip.blank(width, self.base_style)
        position = self.scroll_offset.y + y
        if position >= self.line_count:
            return Strip.blank(width, self.base_style)
        left = self.scroll_offset.x
        view = (left, width, self.base_style, self.pattern, self.current_match, self._lit, self._provisional is None)
        if view != self._strips_view:
            self._strips_view = view
            self._strips.clear()
        line = self._line(position)
        key = (position, line)
        if (strip := self._strips.get(key)) is None:
            strip = Strip(self._segments(position)).apply_style(self.base_style)
            strip = strip.crop_extend(left, left + width, self.base_style).simplify()
            self._strips[key] = strip
        return strip

    def _segments(self, position: int) -> list[Segment]:
        line = self._line(position)
        if line is None:
            return [Segment("…", self.tone(Tone.FAINT))]
        number = None if self._provisional is not None else self._number(position)
        lit = [(0, len(line.text), self.tone(Tone.CURSOR))] if number is not None and number == self._lit else []
        return styled(line.text, [*line.styles, *lit, *self._highlights(line.text, number)])

    def _highlights(self, text: str, number: int | None) -> list[tuple[int, int, Style]]:
        if self.pattern is None:
            return []
        is_current = number is not None and number == self.current_match
        tone = self.tone(Tone.MATCH_NOW if is_current else Tone.MATCH)
        return [(*match.span(), tone) for match in self.pattern.finditer(text[:MOST_HIGHLIT]) if match.group()]

    def _wrapped_rows(self, width: int) -> list[Strip]:
        """The rows on screen with long lines broken; from the end upwards while following."""
        height = self.size.height
        rows: list[Strip] = []
        last = self.line_count - 1
        positions = range(last, -1, -1) if self.follows else range(self.scroll_offset.y, last + 1)
        for position in positions:
            rows_of_line = broken(self._segments(position), max(2, width))
            strips = [self._row(row, width) for row in rows_of_line]
            rows = [*strips, *rows] if self.follows else [*rows, *strips]
            if len(rows) >= height:
                break
        return rows[-height:] if self.follows else rows[:height]

    def _row(self, segments: Sequence[Segment], width: int) -> Strip:
        return Strip(segments).apply_style(self.base_style).extend_cell_length(width, self.base_style)

    def _empty_line(self, y: int, width: int) -> Strip:
        lines = self.when_empty
        if self.failure:
            lines = (*textwrap.wrap(self.failure, max(8, width - 4)), tr("it is read again as soon as it changes"))
        from_top = y - max(0, (self.size.height - len(lines)) // 2)
        if not 0 <= from_top < len(lines):
            return Strip.blank(width, self.base_style)
        text = tr(lines[from_top])
        tone = Tone.BAD if self.failure and from_top < len(lines) - 1 else Tone.MUTED
        return self.painted([Span(" " * max(1, (width - cell_len(text)) // 2)), Span(text, tone)], width)
