"""Runs side by side: their curves in one chart, and where their configurations differ. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vlad.policy.secrets import redacted
from vlad.records.progress import Evaluation

from vlatui.look.canvas import Canvas
from vlatui.look.columns import Column, Row
from vlatui.look.scales import smoothed, ticks
from vlatui.look.tones import SERIES, Tone, cell
from vlatui.look.words import tr
from vlatui.reading.detail import RunDetail
from vlatui.reading.series import Curve
from vlatui.telling.charts import LEAST_HEIGHT, LEAST_WIDTH, Frame, Rows, framed, grid, padded, tick_label
from vlatui.telling.evaluation_rows import best_of

SUCCESS = "success"
LEFT_OUT = "-"


@dataclass(frozen=True, slots=True)
class Compared:
    """One run of a comparison."""

    name: str
    detail: RunDetail

    def curve(self, metric: str) -> Curve:
        """A metric of the run; success rates count as one."""
        return success_curve(self.detail.evaluations) if metric == SUCCESS else self.detail.curves.get(metric, Curve())


def success_curve(evaluations: Sequence[Evaluation]) -> Curve:
    told = [evaluation for evaluation in evaluations if evaluation.failure is None]
    return Curve(
        tuple(float(evaluation.step) for evaluation in told),
        tuple(evaluation.at for evaluation in told),
        tuple(evaluation.success_rate for evaluation in told),
    )


def told_apart(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Names of runs (name, id); those alike get the end of their id."""
    names = [name for name, _ in runs]
    return [f"{name} {run_id[-4:]}" if names.count(name) > 1 else name for name, run_id in runs]


def metrics_of_all(runs: Sequence[Compared]) -> list[str]:
    """What at least one of the runs reports, success first."""
    names = dict.fromkeys(name for run in runs for name in run.detail.curves)
    return [SUCCESS, *names]


def tone_of(number: int) -> Tone:
    """The colour of the run with this number."""
    return SERIES[number % len(SERIES)]


def overlay(runs: Sequence[Compared], metric: str, smoothing: float, width: int, height: int) -> Rows:
    """The curves of all runs over the same axes; empty where there is no room or nothing to draw."""
    curves = [run.curve(metric) for run in runs]
    heights = [smoothed(curve.values, 0.0 if metric == SUCCESS else smoothing) for curve in curves]
    points = [list(zip(curve.steps, line, strict=True)) for curve, line in zip(curves, heights, strict=True)]
    drawn = [point for line in points for point in line]
    if width < LEAST_WIDTH or height < LEAST_HEIGHT or not drawn:
        return []
    xs = padded(min(step for step, _ in drawn), max(step for step, _ in drawn), 0.02)
    ys = (0.0, 100.0) if metric == SUCCESS else padded(min(y for _, y in drawn), max(y for _, y in drawn))
    y_ticks = ticks(*ys, max(2, (height - 2) // 3))
    gutter = max((len(tick_label(tick)) for tick in y_ticks), default=1)
    frame = Frame(width - gutter - 1, height - 2, xs, ys)
    canvas = Canvas(frame.width, frame.height)
    grid(canvas, frame, y_ticks)
    for number, line in enumerate(points):
        for one, two in pairwise([*line[:1], *line]):
            canvas.line(frame.place(*one), frame.place(*two), tone_of(number))
        for point in line if metric == SUCCESS else ():
            canvas.put(*frame.cell(*point), "●", tone_of(number))
    return framed(canvas, frame, tick_label, y_ticks, gutter)


def difference_columns(runs: Sequence[Compared]) -> tuple[Column, ...]:
    named = [Column(str(number), run.name, 8, most=28) for number, run in enumerate(runs)]
    return (Column("field", "FIELD", 12, grows=True, most=32), *named)


def difference_rows(runs: Sequence[Compared]) -> list[Row]:
    """How the runs did, and then every configured field in which they differ."""
    rows = [_row(tr("best success"), [_best(run) for run in runs], Tone.GOOD)]
    rows.append(_row(tr("last loss"), [_last(run.curve("loss")) for run in runs], Tone.PLAIN))
    values = [_values(run) for run in runs]
    for name in sorted({field for one in values for field in one}):
        told = [one.get(name, LEFT_OUT) for one in values]
        if len(set(told)) > 1:
            rows.append(_row(name, told, Tone.PLAIN))
    return rows


def _row(name: str, told: Sequence[str], tone: Tone) -> Row:
    cells = {str(number): cell(text, tone) for number, text in enumerate(told)}
    return Row(name, {"field": cell(name, Tone.MUTED), **cells})


def _values(run: Compared) -> Mapping[str, str]:
    spec = run.detail.spec
    if spec is None:
        return {}
    configured = {name: str(setting.value) for name, setting in spec.config.items()}
    told = {
        tr("command"): " ".join(redacted(spec.argv)),
        tr("processes"): str(spec.nproc),
        tr("git commit"): spec.git_commit or LEFT_OUT,
    }
    return {**told, **configured}


def _best(run: Compared) -> str:
    told = [evaluation for evaluation in run.detail.evaluations if evaluation.failure is None]
    best = best_of(told)
    return (
        LEFT_OUT
        if best is None
        else tr(
            "{rate}% of {episodes} at {step}",
            rate=f"{best.success_rate:.0f}",
            episodes=best.episodes,
            step=f"{best.step:,}",
        )
    )


def _last(curve: Curve) -> str:
    return f"{curve.values[-1]:.4g}" if curve.values and math.isfinite(curve.values[-1]) else LEFT_OUT
