"""The Metrics tab: any reported number over steps or time, smoothed, with a read-out under a cursor."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.strip import Strip
from vlad.records import figures

from vlatui.look.painting import Painted
from vlatui.look.scales import smoothed, spark
from vlatui.look.tones import Line, Span, Tone
from vlatui.look.words import tr
from vlatui.reading.series import Curve
from vlatui.telling import charts
from vlatui.telling.header import flowed
from vlatui.widgets.lines import Lines

NO_METRICS = ("No numbers yet.", "they appear with the first step")
NO_ROOM = ("No room for a curve.", "z hides the runs")
NO_POSITIVE = ("No value here is above zero.", "L goes back to the linear scale")
NO_VALUES = ("No value was reported here.", "escape shows the whole run")
MOST_NAMES_PART = 4
"""The names of the metrics take at most one line in so many."""
SMOOTHINGS = (0.0, 0.6, 0.9, 0.97, 0.99)


class CurveChart(Painted, can_focus=True):
    """One curve, drawn anew when it, its view or its size changes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.curve = Curve()
        self.view = charts.CurveView()
        self._rows: list[Line] = []

    def show(self, curve: Curve, view: charts.CurveView) -> None:
        if (curve, view) != (self.curve, self.view):
            self.curve, self.view = curve, view
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        self._rows = charts.curve_chart(self.curve, self.view, *self.size)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self._rows:
            return self.painted(self._rows[y] if y < len(self._rows) else [], width)
        lines = self._when_empty
        from_top = y - max(0, (self.size.height - len(lines)) // 2)
        text = tr(lines[from_top]) if 0 <= from_top < len(lines) else ""
        return self.painted([Span(" " * max(0, (width - cell_len(text)) // 2)), Span(text, Tone.MUTED)], width)

    @property
    def _when_empty(self) -> tuple[str, ...]:
        """Why nothing is drawn."""
        if not len(self.curve):
            return NO_METRICS
        if charts.visible_points(self.curve, self.view):
            return NO_ROOM
        has_points = charts.visible_points(self.curve, replace(self.view, is_logarithmic=False))
        return NO_POSITIVE if has_points else NO_VALUES


def nearest(places: Sequence[float], wanted: float) -> int:
    """The index of the place (they ascend) that is nearest to the wanted one."""
    at = min(bisect_left(places, wanted), len(places) - 1)
    return at - 1 if at and wanted - places[at - 1] < places[at] - wanted else at


def shown_value(name: str, value: float) -> str:
    """A metric's value in its own unit."""
    return figures.size(value) if name == "memory" else figures.number(value)


class MetricsPane(Vertical):
    """The numbers of the run as a row of names with their newest values; one of them drawn large."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "choose(-1)", "Previous metric", show=False),
        Binding("right_square_bracket", "choose(1)", "Next metric", show=False),
        Binding("left,h", "cursor(-1)", "Cursor left", show=False),
        Binding("right,l", "cursor(1)", "Cursor right", show=False),
        Binding("plus,equals_sign", "zoom(0.5)", "Zoom in", show=False),
        Binding("minus", "zoom(2)", "Zoom out", show=False),
        Binding("less_than_sign,shift+left", "pan(-1)", "Pan left", show=False),
        Binding("greater_than_sign,shift+right", "pan(1)", "Pan right", show=False),
        Binding("o", "smooth", "Smoothing", show=False),
        Binding("L", "logarithm", "Log scale", show=False),
        Binding("x", "time", "Steps or time", show=False),
        Binding("escape", "reset", "Reset view", show=False),
    ]

    def compose(self) -> ComposeResult:
        yield Lines(id="metric-names")
        yield CurveChart(id="curve")
        yield Lines(id="metric-status")

    def on_mount(self) -> None:
        self._curves: Mapping[str, Curve] = {}
        self._chosen = "loss"
        self._view = charts.CurveView()
        self._show()

    def show(self, curves: Mapping[str, Curve]) -> None:
        self._curves = curves
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        if hasattr(self, "_curves"):
            self._show()

    @property
    def _shown(self) -> str:
        return self._chosen if self._chosen in self._curves else next(iter(self._curves), "")

    def _show(self) -> None:
        curve = self._curves.get(self._shown, Curve())
        self.query_one("#metric-names", Lines).show_lines(self._names())
        self.query_one(CurveChart).show(curve, self._view)
        self.query_one("#metric-status", Lines).show_lines([self._status(curve)])

    def _names(self) -> list[Line]:
        """The names with their newest values; where they are many, the lines around the chosen one."""
        lines = flowed(map(self._chip, self._curves), self.size.width - 2)
        most = max(1, self.size.height // MOST_NAMES_PART)
        chosen = next((at for at, line in enumerate(lines) if Span("▸ ", Tone.ACCENT) in line), 0)
        first = max(0, min(chosen - most // 2, len(lines) - most))
        return lines[first : first + most]

    def _chip(self, name: str) -> Line:
        is_chosen = name == self._shown
        values = self._curves[name].values
        trend = spark(values, 8) if not is_chosen and len(set(values)) > 1 else ""
        newest = shown_value(name, values[-1]) if values else figures.UNKNOWN
        mark = Span("▸ " if is_chosen else "", Tone.ACCENT)
        label = Span(f"{tr(name)} ", Tone.TITLE if is_chosen else Tone.MUTED)
        return [mark, label, Span(newest), Span(f" {trend}" if trend else "", Tone.FAINT)]

    def _status(self, curve: Curve) -> Line:
        if not len(curve):
            return []
        view, read_out = self._view, self._read_out(curve)
        smoothing = tr("smoothing {weight}", weight=f"{view.smoothing:g}")
        words = [smoothing, tr("log scale" if view.is_logarithmic else "linear")]
        words += [tr("over time" if view.over_time else "over steps"), tr("zoomed" if view.xs else "whole run")]
        if cell_len(read_out + " · ".join(words)) + 5 > self.size.width:
            marks = ((view.is_logarithmic, "log scale"), (view.over_time, "over time"), (view.xs is not None, "zoomed"))
            words = [smoothing, *(tr(word) for is_so, word in marks if is_so)]
        tone = Tone.STRONG if view.cursor is not None else Tone.PLAIN
        return [Span(read_out, tone), Span("   " + " · ".join(words), Tone.MUTED)]

    def _read_out(self, curve: Curve) -> str:
        """The newest values, or those nearest to the cursor."""
        at = len(curve) - 1
        if self._view.cursor is not None:
            at = nearest(self._xs(curve), self._view.cursor)
        smooth = smoothed(curve.values, self._view.smoothing)[at]
        value, smooth_value = (shown_value(self._shown, one) for one in (curve.values[at], smooth))
        step = f"{curve.steps[at]:,.0f}"
        if self._view.over_time:
            step += f" ({charts.time_label(curve.times[at] - curve.times[0])})"
        return tr("step {step}: {value} (smooth {smooth})", step=step, value=value, smooth=smooth_value)

    def _xs(self, curve: Curve) -> list[float]:
        return [at - curve.times[0] for at in curve.times] if self._view.over_time else list(curve.steps)

    def _look(self, view: charts.CurveView) -> None:
        self._view = view
        self._show()

    def action_choose(self, by: int) -> None:
        names = list(self._curves)
        if names:
            self._chosen = names[(names.index(self._shown) + by) % len(names)]
            self._show()

    def action_smooth(self) -> None:
        at = SMOOTHINGS.index(self._view.smoothing)
        self._look(replace(self._view, smoothing=SMOOTHINGS[(at + 1) % len(SMOOTHINGS)]))

    def action_logarithm(self) -> None:
        self._look(replace(self._view, is_logarithmic=not self._view.is_logarithmic))

    def action_time(self) -> None:
        self._look(replace(self._view, over_time=not self._view.over_time, xs=None, cursor=None))

    def action_reset(self) -> None:
        self._look(replace(self._view, xs=None, cursor=None))

    def _extent(self, curve: Curve) -> tuple[float, float]:
        xs = self._xs(curve)
        return self._view.xs or (xs[0], xs[-1])

    def action_cursor(self, by: int) -> None:
        """Moves the cursor by a fortieth of what is shown, and what is shown with it."""
        curve = self._curves.get(self._shown, Curve())
        if len(curve) < 2:
            return
        low, high = self._extent(curve)
        xs = self._xs(curve)
        cursor = (high if self._view.cursor is None else self._view.cursor) + by * (high - low) / 40
        cursor = max(xs[0], min(xs[-1], cursor))
        shift = min(0.0, cursor - low) + max(0.0, cursor - high)
        window = (low + shift, high + shift) if self._view.xs else None
        self._look(replace(self._view, cursor=cursor, xs=window))

    def action_zoom(self, factor: float) -> None:
        """Shows half or twice as much, around the cursor or the newest value."""
        curve = self._curves.get(self._shown, Curve())
        if len(curve) < 2:
            return
        xs = self._xs(curve)
        low, high = self._extent(curve)
        wanted = (high - low) * factor
        if wanted >= xs[-1] - xs[0]:
            self._look(replace(self._view, xs=None))
            return
        middle = high if self._view.cursor is None else self._view.cursor
        low = max(xs[0], min(middle - wanted / 2, xs[-1] - wanted))
        self._look(replace(self._view, xs=(low, low + wanted)))

    def action_pan(self, by: int) -> None:
        """Moves what is shown by a quarter of it, as far as there is something."""
        curve = self._curves.get(self._shown, Curve())
        if len(curve) < 2 or self._view.xs is None:
            return
        xs, (low, high) = self._xs(curve), self._view.xs
        shift = max(xs[0] - low, min(xs[-1] - high, by * (high - low) / 4))
        self._look(replace(self._view, xs=(low + shift, high + shift), cursor=None))
