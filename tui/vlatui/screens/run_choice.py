"""Choosing one of the runs."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from vlad.records import figures
from vlad.records.home_view import RunView

from vlatui.look.columns import Column, Row
from vlatui.look.painting import literal
from vlatui.look.tones import Tone, cell
from vlatui.look.words import tr
from vlatui.widgets.table import Table

COLUMNS = (
    Column("name", "RUN", 16, grows=True),
    Column("site", "HOST", 4, priority=2),
    Column("state", "STATE", 9),
    Column("age", "AGE", 4, align="right"),
    Column("id", "ID", 20, priority=1),
)


class RunChoiceScreen(ModalScreen[str | None]):
    """Dismissed with the id of the chosen run, None when nothing was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "Close")]

    def __init__(self, title: str, runs: Sequence[RunView], now: float) -> None:
        super().__init__()
        self._title = title
        self._rows = [_row(run, now) for run in runs]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = literal(self._title)
            dialog.border_subtitle = tr("enter takes it · escape closes")
            yield Table(COLUMNS, id="choice")

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.show_rows(self._rows)
        table.styles.height = min(len(self._rows) + 1, max(4, self.app.size.height - 8))
        table.focus()

    @on(Table.Chosen)
    def _choose(self, event: Table.Chosen) -> None:
        event.stop()
        self.dismiss(event.key)


def _row(run: RunView, now: float) -> Row:
    cells = {
        "name": cell(run.record.name, Tone.STRONG),
        "site": cell(run.site or tr("here"), Tone.MUTED),
        "state": cell(tr(run.record.state.lower())),
        "age": cell(figures.age(now - run.record.created_at), Tone.MUTED),
        "id": cell(run.run_id, Tone.FAINT),
    }
    return Row(run.run_id, cells)
