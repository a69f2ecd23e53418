"""A table that paints lines itself and repaints only the cells that changed."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from vlatui.look.columns import MARGIN, Column, Place, Row, differs, laid_out, measured
from vlatui.look.painting import PaintedScroll
from vlatui.look.tones import Span, Tone, fitted, width_of
from vlatui.look.words import tr


class Table(PaintedScroll, can_focus=True):
    """Rows under a pinned header, a cursor on one of them, marks on any.

    Give it rows with `show_rows`; the cursor stays on the row with the same key, and never stands on a heading. In a
    table that `follows_first` it stays on the first row instead, as long as it is there: the newest.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("home,g", "move_to(0)", "First", show=False),
        Binding("end,G", "move_to(-1)", "Last", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    lights_always: ClassVar[bool] = False

    class CursorMoved(Message):
        """The cursor came to another row (None: there are no rows)."""

        def __init__(self, table: "Table", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "Table":
            return self.table

    class Chosen(Message):
        """Enter was pressed on a row."""

        def __init__(self, table: "Table", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "Table":
            return self.table

    def __init__(
        self, columns: Sequence[Column], *, id: str | None = None, classes: str | None = None,
        follows_first: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(id=id, classes=classes)
        self.follows_first = follows_first
        self.columns = tuple(columns)
        self.rows: tuple[Row, ...] = ()
        self.marked: frozenset[str] = frozenset()
        self.when_empty: tuple[str, ...] = ()
        self.cursor = 0
        self._widths: dict[str, int] = {}
        self._places: tuple[Place, ...] = ()

    @property
    def cursor_key(self) -> str | None:
        return self.rows[self.cursor].key if self.rows and not self.rows[self.cursor].heading else None

    def show_columns(self, columns: Sequence[Column]) -> None:
        if tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self._widths = measured(self.columns, self.rows)
        self._lay_out()

    def show_rows(self, rows: Sequence[Row], when_empty: tuple[str, ...] = (), *, anew: bool = False) -> None:
        """Shows `rows`, or the lines `when_empty` where there are none; `anew`: from the top, as another list."""
        if anew:
            self.rows, self.cursor = (), 0
            self.scroll_to(y=0, animate=False)
        old, key, before, was_shown = self.rows, self.cursor_key, self.cursor, self._shows(self.cursor)
        if not anew and old == tuple(rows) and when_empty == self.when_empty:
            return
        self.rows = tuple(rows)
        self.marked &= {row.key for row in self.rows}
        self._follow_cursor(key)
        has_same_rows = len(old) == len(self.rows) and when_empty == self.when_empty
        self.when_empty = when_empty
        if self._widen(keeps=has_same_rows) or not has_same_rows:
            self._lay_out()
        elif regions := self._changed_regions(old):
            self.refresh(*regions)
        if was_shown and self.cursor != before:
            self._scroll_to_cursor()
        if self.cursor_key != key:
            self.post_message(self.CursorMoved(self, self.cursor_key))

    def _widen(self, *, keeps: bool) -> bool:
        """Measures the columns anew; with `keeps` they only get wider, so that changing numbers shift nothing."""
        before, now = self._widths, measured(self.columns, self.rows)
        self._widths = {key: max(width, before.get(key, 0)) if keeps else width for key, width in now.items()}
        return self._widths != before

    def _follow_cursor(self, key: str | None) -> None:
        keys = [row.key for row in self.rows]
        is_kept = key in keys and not (self.follows_first and self.cursor == 0)
        self.cursor = keys.index(key) if key is not None and is_kept else self._choosable(self.cursor, 1)

    def _choosable(self, number: int, by: int) -> int:
        """The row nearest to `number` that is no heading: looked for downwards (`by` 1) or upwards first."""
        last = len(self.rows) - 1
        number = max(0, min(number, last))
        ways = [range(number, last + 1), range(min(number, last), -1, -1)]
        found = (at for way in (ways if by > 0 else reversed(ways)) for at in way if not self.rows[at].heading)
        return next(found, number)

    def _changed_regions(self, old: tuple[Row, ...]) -> list[Region]:
        """Of the rows on screen that differ from the `old` ones, the part up to the last cell that differs.

        One region a row: Textual sends each region from the start of the line.
        """
        regions = []
        top = self.scroll_offset.y
        for number in range(top, min(len(self.rows), top + self.size.height - 1)):
            before, after, y = old[number], self.rows[number], number - top + 1
            if (before.key, before.is_dimmed, before.heading) != (after.key, after.is_dimmed, after.heading):
                regions.append(Region(0, y, self.size.width, 1))
                continue
            changed = [place for place in self._places if differs(before, after, place.column.key)]
            if changed:
                regions.append(Region(0, y, changed[-1].x + changed[-1].width, 1))
        return regions

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()
        self._scroll_to_cursor()

    def _lay_out(self) -> None:
        self._places = laid_out(self.columns, self._widths, self.scrollable_content_region.width)
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self.refresh()

    def move_cursor(self, number: int) -> None:
        """Puts the cursor on row `number`, as far as there is one, and into view; past a heading."""
        number = self._choosable(number, 1 if number >= self.cursor else -1)
        before, self.cursor = self.cursor, number
        self._scroll_to_cursor()
        if number == before or not self.rows:
            return
        self.refresh_lines(before + 1)
        self.refresh_lines(number + 1)
        self.post_message(self.CursorMoved(self, self.cursor_key))

    def _shows(self, number: int) -> bool:
        return 0 <= number - self.scroll_offset.y < self.size.height - 1

    def _scroll_to_cursor(self) -> None:
        """By force: rows that have just come have no scrollbar yet, and without one Textual does not scroll."""
        rows_shown = self.size.height - 1
        has_heading = rows_shown > 1 and self.cursor > 0 and bool(self.rows[self.cursor - 1].heading)
        first = self.cursor - has_heading
        if rows_shown > 0 and not (self._shows(self.cursor) and self._shows(first)):
            is_above = first < self.scroll_offset.y
            top = first if is_above else self.cursor - rows_shown + 1
            self.scroll_to(y=top, animate=False, force=True)

    def move_cursor_to(self, key: str) -> None:
        keys = [row.key for row in self.rows]
        if key in keys:
            self.move_cursor(keys.index(key))

    def action_move(self, by: int) -> None:
        self.move_cursor(self.cursor + by)

    def action_move_to(self, number: int) -> None:
        self.move_cursor(number if number >= 0 else len(self.rows) - 1)

    def action_page(self, pages: int) -> None:
        self.move_cursor(self.cursor + pages * max(1, self.size.height - 2))

    def action_choose(self) -> None:
        if self.cursor_key is not None:
            self.post_message(self.Chosen(self, self.cursor_key))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        number = -1 if offset is None else offset.y - 1 + self.scroll_offset.y
        if offset is not None and offset.y > 0 and number < len(self.rows) and not self.rows[number].heading:
            self.move_cursor(number)

    def toggle_mark(self) -> None:
        """Marks the row under the cursor, or takes its mark away."""
        if self.cursor_key is not None:
            self.marked ^= {self.cursor_key}
            self.refresh_lines(self.cursor + 1)

    def clear_marks(self) -> None:
        self.marked = frozenset()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self.rows:
            return self._empty_line(y, width)
        if y == 0:
            return self.painted(self._header(), width)
        number = self.scroll_offset.y + y - 1
        if number >= len(self.rows):
            return Strip.blank(width, self.base_style)
        return self.painted(self._line(self.rows[number], number == self.cursor), width, self._over(number))

    def _over(self, number: int) -> Style | None:
        """The cursor is lit where the keys go; the runs' one always."""
        is_lit = number == self.cursor and (self.lights_always or self.has_focus)
        return self.tone(Tone.CURSOR) if is_lit else None

    def _empty_line(self, y: int, width: int) -> Strip:
        from_top = y - max(0, (self.size.height - len(self.when_empty)) // 2)
        if not 0 <= from_top < len(self.when_empty):
            return Strip.blank(width, self.base_style)
        text = tr(self.when_empty[from_top])
        blank = Span(" " * max(1, (width - cell_len(text)) // 2))
        return self.painted([blank, Span(text, Tone.PLAIN if from_top == 0 else Tone.MUTED)], width)

    def _header(self) -> list[Span]:
        spans, at = [], 0
        for place in self._places:
            title = tr(place.column.title)
            room = " " * max(0, place.width - cell_len(title))
            text = room + title if place.column.align == "right" else title + room
            spans.append(Span(" " * (place.x - at) + text[: place.width], Tone.MUTED))
            at = place.x + place.width
        return spans

    def _line(self, row: Row, has_cursor: bool) -> list[Span]:
        if row.heading:
            rest = self.size.width - MARGIN - width_of(row.heading)
            return [Span(" " * MARGIN), *row.heading, Span("─" * max(0, rest), Tone.FAINT)]
        marker = "▌" if has_cursor else " "
        mark = Span("•", Tone.MARK) if row.key in self.marked else Span(" ")
        spans, at = [Span(marker, Tone.ACCENT), mark], MARGIN
        for place in self._places:
            spans.append(Span(" " * (place.x - at)))
            content = row.cells.get(place.column.key, ())
            if row.is_dimmed:
                content = tuple(Span(text, Tone.MUTED if tone is Tone.PLAIN else tone) for text, tone in content)
            spans += fitted(content, place.width, place.column.align)
            at = place.x + place.width
        return spans
