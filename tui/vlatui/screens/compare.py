"""Marked runs side by side."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from vlad.records.files import RecordError

from vlatui.look.painting import Painted
from vlatui.look.tones import Line, Span, Tone
from vlatui.look.words import tr
from vlatui.reading.detail import DetailReader, RunDetail
from vlatui.sites.site import Site
from vlatui.telling.comparison import Compared, difference_columns, difference_rows, metrics_of_all, overlay, tone_of
from vlatui.telling.header import flowed
from vlatui.widgets.lines import Lines
from vlatui.widgets.table import Table

SMOOTHINGS = (0.6, 0.9, 0.97, 0.0)


class Drawing(Painted):
    """Rows drawn by a function of the size."""

    def __init__(self, draw: Callable[[int, int], list[Line]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._rows: list[Line] = []

    def draw(self) -> None:
        self._rows = self._draw(*self.size)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.draw()

    def render_line(self, y: int) -> Strip:
        return self.painted(self._rows[y] if y < len(self._rows) else [], self.size.width)


class CompareScreen(ModalScreen[None]):
    """One chart of all runs above, the differences of their configurations below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,x", "dismiss", "Close"),
        Binding("left_square_bracket", "metric(-1)", "Previous metric"),
        Binding("right_square_bracket", "metric(1)", "Next metric"),
        Binding("o", "smooth", "Smoothing"),
    ]

    def __init__(self, runs: Sequence[tuple[Site, str, str]]) -> None:
        """`runs`: (where it is, its id, its name) of each."""
        super().__init__()
        self._wanted = tuple(runs)
        self._runs: list[Compared] = []
        self._metric = 0
        self._smoothing = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full") as dialog:
            dialog.border_title = tr("Compare")
            dialog.border_subtitle = tr("[ ] metric · o smoothing · escape closes")
            yield Lines(id="legend")
            yield Drawing(self._chart, id="overlay")
            yield Table((), id="differences")

    def on_mount(self) -> None:
        self.query_one(Lines).show_lines([[Span(tr("reading…"), Tone.MUTED)]])
        self.query_one(Table).focus()
        self._read()

    @work(thread=True, exit_on_error=False)
    def _read(self) -> None:
        found = []
        for site, run_id, name in self._wanted:
            try:
                site.bring(run_id)
                detail = DetailReader(site.home.run(run_id)).read()
            except (OSError, RecordError):
                detail = None
            found.append(Compared(name, detail or RunDetail(run_id)))
        self.app.call_from_thread(self._show, found)

    def _show(self, runs: list[Compared]) -> None:
        self._runs = runs
        table = self.query_one(Table)
        table.show_columns(difference_columns(runs))
        table.show_rows(difference_rows(runs))
        self._show_chart()

    def _show_chart(self) -> None:
        metric = metrics_of_all(self._runs)[self._metric]
        names = [[Span("━━ ", tone_of(number)), Span(run.name)] for number, run in enumerate(self._runs)]
        title = [[Span(tr(metric), Tone.TITLE)]]
        self.query_one(Lines).show_lines(flowed([*title, *names], max(20, self.query_one(Lines).size.width)))
        self.query_one(Drawing).draw()

    def _chart(self, width: int, height: int) -> list[Line]:
        if not self._runs:
            return []
        metric = metrics_of_all(self._runs)[self._metric]
        rows = overlay(self._runs, metric, SMOOTHINGS[self._smoothing], width, height)
        return rows or [[Span(tr("none of the runs has told any {metric}", metric=tr(metric)), Tone.MUTED)]]

    def action_metric(self, by: int) -> None:
        if self._runs:
            self._metric = (self._metric + by) % len(metrics_of_all(self._runs))
            self._show_chart()

    def action_smooth(self) -> None:
        self._smoothing = (self._smoothing + 1) % len(SMOOTHINGS)
        self._show_chart()
