"""Charts as rows of spans: curves over steps, and success rates with their intervals. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from vlad.records import figures
from vlad.records.progress import Evaluation

from vlatui.look.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas
from vlatui.look.scales import logarithmic_ticks, smoothed, ticks, time_ticks
from vlatui.look.tones import Span, Tone
from vlatui.look.words import tr
from vlatui.reading.series import Curve
from vlatui.telling.evaluation_rows import best_of

Rows = list[list[Span]]
LEAST_WIDTH, LEAST_HEIGHT = 16, 4


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values lie: a canvas of `width` by `height` cells over x in `xs` and y in `ys`."""

    width: int
    height: int
    xs: tuple[float, float]
    ys: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The place of a value in dots."""
        across = (x - self.xs[0]) / _extent(self.xs)
        down = (self.ys[1] - y) / _extent(self.ys)
        return across * (self.width * DOTS_ACROSS - 1), down * (self.height * DOTS_DOWN - 1)

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """The cell of a value."""
        across, down = self.place(x, y)
        return round(across) // DOTS_ACROSS, round(down) // DOTS_DOWN


def _extent(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0] or 1.0


def framed(
    canvas: Canvas, frame: Frame, label: Callable[[float], str], y_ticks: Sequence[float], gutter: int, *,
    over_time: bool = False,
) -> Rows:  # fmt: skip
    """The canvas with its y labels on the left and its x labels below: steps, or seconds as durations."""
    labels = {frame.cell(frame.xs[0], tick)[1]: label(tick) for tick in y_ticks}
    rows: Rows = []
    for number, spans in enumerate(canvas.rows()):
        mark = labels.get(number, "")
        axis = Span("┤" if mark else "│", Tone.FAINT)
        rows.append([Span(mark.rjust(gutter), Tone.MUTED), axis, *spans])
    rows.append([Span(" " * gutter, Tone.MUTED), Span("└" + "─" * frame.width, Tone.FAINT)])
    rows.append([Span(" " * (gutter + 1)), *_x_labels(frame, over_time)])
    return rows


def _x_labels(frame: Frame, over_time: bool) -> list[Span]:
    """Round steps or times along the bottom, as many as fit without touching."""
    line = [" "] * frame.width
    free_from = 0
    for tick in (time_ticks if over_time else ticks)(frame.xs[0], frame.xs[1], max(2, frame.width // 9)):
        text = time_label(tick) if over_time else step_label(tick)
        at = min(max(0, frame.cell(tick, frame.ys[0])[0] - len(text) // 2), frame.width - len(text))
        if at >= free_from:
            line[at : at + len(text)] = text
            free_from = at + len(text) + 2
    return [Span("".join(line), Tone.MUTED)]


def step_label(step: float) -> str:
    return figures.count(int(step)) if step == int(step) else figures.number(step)


def time_label(seconds: float) -> str:
    """A duration without a second unit that is nought: 45s, 5m, 1m 30s, 2h."""
    whole, _, rest = figures.duration(seconds).partition(" ")
    return whole if not rest.strip("0smhd") else f"{whole} {rest}"


def grid(canvas: Canvas, frame: Frame, y_ticks: Sequence[float]) -> None:
    """Faint dots at the height of each label."""
    for tick in y_ticks:
        down = round(frame.place(frame.xs[0], tick)[1])
        for across in range(0, frame.width * DOTS_ACROSS, 4):
            canvas.dot(across, down, Tone.FAINT)


def success_chart(
    evaluations: Sequence[Evaluation],
    width: int,
    height: int,
    last_step: int | None = None,
    selected: int | None = None,
) -> Rows:
    """Success in percent over steps, each evaluation with its interval; the best height is marked by a broken line.

    `last_step` is where the axis ends (the steps that the run is to make), `selected` the index of a marked evaluation.
    """
    gutter = 4
    if width < LEAST_WIDTH or height < LEAST_HEIGHT or not evaluations:
        return []
    first, last = evaluations[0].step, max(evaluation.step for evaluation in evaluations)
    xs = padded(min(0.0, first), float(max(last, last_step or 0, 1)), 0.02)
    frame = Frame(width - gutter - 1, height - 2, xs, (0.0, 100.0))
    canvas = Canvas(frame.width, frame.height)
    y_ticks = [0.0, 25.0, 50.0, 75.0, 100.0] if frame.height >= 9 else [0.0, 50.0, 100.0]
    grid(canvas, frame, y_ticks)
    good = [evaluation for evaluation in evaluations if evaluation.failure is None]
    for one, two in pairwise(good):
        canvas.line(frame.place(one.step, one.success_rate), frame.place(two.step, two.success_rate), Tone.SERIES_1)
    best = best_of(good)
    for index, evaluation in enumerate(evaluations):
        _error_bar(canvas, frame, evaluation, evaluation is best, index == selected)
    if best is not None:
        _best_label(canvas, frame, best)
    return framed(canvas, frame, lambda tick: f"{tick:.0f}%", y_ticks, gutter)


def _error_bar(canvas: Canvas, frame: Frame, evaluation: Evaluation, is_best: bool, is_selected: bool) -> None:
    """A vertical bar from the lower to the upper bound, ends to half a cell, and the rate as a point on it."""
    tone = Tone.MARK if is_selected else Tone.GOOD if is_best else Tone.ACCENT
    if evaluation.failure is not None:
        column, row = frame.cell(evaluation.step, 0.0)
        canvas.put(column, row, "✗", Tone.BAD)
        return
    column, row = frame.cell(evaluation.step, evaluation.success_rate)
    top = frame.place(evaluation.step, evaluation.high)[1] / DOTS_DOWN
    bottom = frame.place(evaluation.step, evaluation.low)[1] / DOTS_DOWN
    for at in range(int(top), int(bottom) + 1) if evaluation.episodes else ():
        covers_upper, covers_lower = top < at + 0.5, bottom > at + 0.5
        if covers_upper and covers_lower:
            canvas.put(column, at, "│", tone)
        elif covers_upper or covers_lower:
            canvas.put(column, at, "╵" if covers_upper else "╷", tone)
    canvas.put(column, row, "◆" if is_selected else "●", tone)


def _best_label(canvas: Canvas, frame: Frame, best: Evaluation) -> None:
    text = tr("best {rate}", rate=figures.percent(best.success_rate))
    column, row = frame.cell(best.step, best.success_rate)
    for at, line in product((column + 2, column - len(text) - 1), (row, row - 1, row + 1)):
        if canvas.is_free(at, line, len(text)):
            canvas.put(at, line, text, Tone.GOOD)
            return


@dataclass(frozen=True, slots=True)
class CurveView:
    """How a curve is looked at. `xs` is the part of the axis shown (None = all), `cursor` a place on it."""

    smoothing: float = 0.6
    is_logarithmic: bool = False
    over_time: bool = False
    xs: tuple[float, float] | None = None
    cursor: float | None = None


def curve_chart(curve: Curve, view: CurveView, width: int, height: int) -> Rows:
    """A curve: its points faint, smoothed over them; empty when there is no room or nothing to draw."""
    points = visible_points(curve, view)
    if width < LEAST_WIDTH or height < LEAST_HEIGHT or not points:
        return []
    heights = [y for _, y, _ in points]
    low, high = padded(min(heights), max(heights))
    y_ticks = (logarithmic_ticks if view.is_logarithmic else ticks)(low, high, max(2, (height - 2) // 3))
    unscaled = (lambda tick: tick_label(10.0**tick)) if view.is_logarithmic else tick_label
    gutter = max((len(unscaled(tick)) for tick in y_ticks), default=1)
    xs = view.xs or (points[0][0], points[-1][0])
    frame = Frame(width - gutter - 1, height - 2, xs, (low, high))
    canvas = Canvas(frame.width, frame.height)
    grid(canvas, frame, y_ticks)
    _draw_curve(canvas, frame, points, has_smoothing=view.smoothing > 0)
    if view.cursor is not None:
        _draw_cursor(canvas, frame, view.cursor)
    return framed(canvas, frame, unscaled, y_ticks, gutter, over_time=view.over_time)


def visible_points(curve: Curve, view: CurveView) -> list[tuple[float, float, float]]:
    """(x, height, smoothed height) of the points in view; heights are logarithms where asked for."""
    xs = [at - curve.times[0] for at in curve.times] if view.over_time else list(curve.steps)
    smooth = smoothed(curve.values, view.smoothing)
    low, high = view.xs or (-math.inf, math.inf)
    points = [point for point in zip(xs, curve.values, smooth, strict=True) if low <= point[0] <= high]
    if view.is_logarithmic:
        return [(x, math.log10(y), math.log10(s)) for x, y, s in points if y > 0 and s > 0]
    return points


def padded(low: float, high: float, part: float = 0.05) -> tuple[float, float]:
    """The interval with a margin on both sides."""
    margin = (high - low) * part or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def tick_label(tick: float) -> str:
    """A number on an axis: as short as it can be."""
    return f"{tick:.4g}" if 0.001 <= abs(tick) < 100_000 or tick == 0 else figures.scientific(tick)


def _draw_curve(
    canvas: Canvas, frame: Frame, points: Sequence[tuple[float, float, float]], *, has_smoothing: bool
) -> None:
    for tone, which in ((Tone.FAINT, 1), (Tone.SERIES_1, 2)) if has_smoothing else ((Tone.SERIES_1, 1),):
        places = [frame.place(point[0], point[which]) for point in points]
        for one, two in pairwise(places if len(places) > 1 else places * 2):
            canvas.line(one, two, tone)


def _draw_cursor(canvas: Canvas, frame: Frame, x: float) -> None:
    column = frame.cell(x, frame.ys[0])[0]
    for row in range(frame.height):
        canvas.put(column, row, "┊", Tone.MARK)
