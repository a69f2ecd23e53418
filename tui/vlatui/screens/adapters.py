"""Choosing one of the adapters that were found."""

from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from vlad.records.adapters import Adapter

from vlatui.look.painting import literal
from vlatui.look.tones import Span, Tone
from vlatui.look.words import tr
from vlatui.telling.adapter_rows import COLUMNS, NO_ADAPTERS, adapter_rows
from vlatui.widgets.lines import Lines
from vlatui.widgets.table import Table


class AdapterScreen(ModalScreen[str | None]):
    """Dismissed with the path of the chosen adapter, None when nothing was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "Close")]

    def __init__(self, title: str, find: Callable[[], tuple[Adapter, ...]], clock: Callable[[], float]) -> None:
        """`find` is called in a thread; ValueError says why there is no list."""
        super().__init__()
        self._title = title
        self._find = find
        self._clock = clock

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full") as dialog:
            dialog.border_title = literal(self._title)
            dialog.border_subtitle = tr("enter takes it · escape closes")
            yield Table(COLUMNS, id="adapters")
            yield Lines(id="adapter-path")

    def on_mount(self) -> None:
        self.query_one(Table).show_rows((), (tr("looking…"),))
        self.query_one(Table).focus()
        self._look()

    @work(thread=True, exit_on_error=False)
    def _look(self) -> None:
        try:
            self.app.call_from_thread(self._show, self._find())
        except ValueError as error:
            self.app.call_from_thread(self._show, (), (str(error),))

    def _show(self, adapters: tuple[Adapter, ...], empty: tuple[str, ...] = NO_ADAPTERS) -> None:
        self.query_one(Table).show_rows(adapter_rows(adapters, self._clock()), empty)
        self._show_path()

    @on(Table.CursorMoved, "#adapters")
    def _show_path(self) -> None:
        path = self.query_one(Table).cursor_key
        self.query_one(Lines).show_lines([[Span(path or "", Tone.MUTED)]])

    @on(Table.Chosen, "#adapters")
    def _choose(self, event: Table.Chosen) -> None:
        event.stop()
        self.dismiss(event.key)
