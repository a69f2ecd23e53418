"""Choosing which columns the table of runs shows."""

from collections.abc import Callable, Set
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from vlatui.look.columns import Column, Row
from vlatui.look.tones import Tone, cell
from vlatui.look.words import tr
from vlatui.telling.run_rows import CHOOSABLE
from vlatui.widgets.table import Table

COLUMNS = (Column("title", "COLUMN", 12), Column("told", "WHAT IT SAYS", 20, grows=True))


class ColumnsScreen(ModalScreen[None]):
    """Tells every change at once, so that the table behind it shows the choice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "show_or_hide", "Show or hide", priority=True),
        Binding("escape,q,C", "dismiss", "Close"),
    ]

    def __init__(self, hidden: Set[str], changed: Callable[[frozenset[str]], object]) -> None:
        """`hidden` are the keys of columns that are not shown."""
        super().__init__()
        self._hidden = frozenset(hidden)
        self._changed = changed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = tr("Columns")
            dialog.border_subtitle = tr("space shows or hides · escape closes")
            yield Table(COLUMNS, id="columns")

    def on_mount(self) -> None:
        table = self.query_one(Table)
        rows = [
            Row(key, {"title": cell(tr(title)), "told": cell(tr(says), Tone.MUTED)}) for key, title, says in CHOOSABLE
        ]
        table.show_rows(rows)
        table.styles.height = len(CHOOSABLE) + 1
        table.marked = frozenset(key for key, _, _ in CHOOSABLE) - self._hidden
        table.focus()

    def action_show_or_hide(self) -> None:
        table = self.query_one(Table)
        table.toggle_mark()
        self._hidden ^= {table.cursor_key} if table.cursor_key else set()
        self._changed(self._hidden)
