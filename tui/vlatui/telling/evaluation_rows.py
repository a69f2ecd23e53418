"""The Evaluations tab: what its table and its side say. Pure."""

from collections.abc import Sequence

from vlad.records import figures
from vlad.records.progress import Evaluation

from vlatui.look import bars, format
from vlatui.look.columns import Column, Row
from vlatui.look.tones import Cell, Line, Span, Tone, cell, fitted
from vlatui.look.words import tr

COLUMNS = (
    Column("step", "STEP", 5, align="right"),
    Column("success", "SUCCESS", 6, align="right"),
    Column("interval", "95% OF", 9, align="right", priority=3),
    Column("change", "VS BEST", 6, align="right", priority=4),
    Column("patience", "STOP", 3, align="right", priority=2),
    Column("tasks", "TASKS", 5, priority=5, most=24),
    Column("took", "TOOK", 6, align="right", priority=6),
)
TASK_BAR = 16
ARRIVING = "arriving"
OF = "of {count}"


def evaluation_rows(evaluations: Sequence[Evaluation], arriving: Evaluation | None = None) -> list[Row]:
    """Newest first; each is compared with the best before it. What is arriving stands above all."""
    rows: list[Row] = []
    best: float | None = None
    for number, evaluation in enumerate(evaluations):
        rows.append(Row(str(number), _cells(evaluation, best)))
        if evaluation.failure is None:
            best = evaluation.success_rate if best is None else max(best, evaluation.success_rate)
    if arriving is not None:
        rows.append(Row(ARRIVING, _cells_so_far(arriving)))
    return rows[::-1]


def best_of(measured: Sequence[Evaluation]) -> Evaluation | None:
    """The one whose checkpoint is kept as the best: a small gain (`min_delta`) may not have counted."""
    counted = measured[-1].best_step if measured else None
    named = [evaluation for evaluation in measured if evaluation.step == counted]
    return named[-1] if named else max(measured, key=lambda evaluation: evaluation.success_rate, default=None)


def _cells_so_far(arriving: Evaluation) -> dict[str, Cell]:
    """Of an evaluation that goes on; its rate compares with nothing yet."""
    return {
        "step": cell(f"{arriving.step:,}", Tone.MUTED),
        "success": cell(figures.percent(arriving.success_rate), Tone.MUTED),
        "interval": cell(f"{arriving.low:.0f}-{arriving.high:.0f} {tr(OF, count=arriving.episodes)}", Tone.MUTED),
        "change": cell(tr("so far"), Tone.ACCENT),
        "patience": cell(tr("now"), Tone.ACCENT),
        "tasks": tuple(bars.heat(100 * task.successes / max(1, task.episodes)) for task in arriving.tasks),
    }


def _cells(evaluation: Evaluation, best: float | None) -> dict[str, Cell]:
    step = cell(f"{evaluation.step:,}")
    if evaluation.failure is not None:
        return {"step": step, "success": cell(tr("failed"), Tone.BAD)}
    interval = (
        f"{evaluation.low:.0f}-{evaluation.high:.0f} {tr(OF, count=evaluation.episodes)}" if evaluation.episodes else ""
    )
    patience = f"{evaluation.bad_evaluations}/{evaluation.patience}" if evaluation.patience else figures.UNKNOWN
    return {
        "step": step,
        "success": cell(figures.percent(evaluation.success_rate), Tone.GOOD if evaluation.improved else Tone.STRONG),
        "interval": cell(interval or figures.UNKNOWN, Tone.MUTED),
        "change": _change(evaluation.success_rate, best),
        "patience": cell(patience, Tone.WARN if evaluation.bad_evaluations else Tone.MUTED),
        "tasks": tuple(bars.heat(100 * task.successes / max(1, task.episodes)) for task in evaluation.tasks),
        "took": cell(figures.duration(evaluation.duration_s), Tone.MUTED),
    }


def _change(rate: float, best: float | None) -> Cell:
    if best is None:
        return cell(tr("first"), Tone.MUTED)
    change = rate - best
    return cell(
        f"{change:+.1f}".removesuffix(".0"), Tone.GOOD if change > 0 else Tone.BAD if change < 0 else Tone.MUTED
    )


def task_lines(evaluation: Evaluation, width: int) -> list[Line]:
    """What one evaluation says beyond its row: failure, tasks, log, checkpoint."""
    lines: list[Line] = [
        [Span(tr("step {step}", step=f"{evaluation.step:,}"), Tone.STRONG), Span(f"  {evaluation.suite}", Tone.MUTED)]
    ]
    if evaluation.failure is not None:
        lines.append([Span(evaluation.failure, Tone.BAD)])
    if evaluation.repeats:
        told = tr("simulators were lost and replaced; episodes begun anew: {count}", count=evaluation.repeats)
        lines.append([Span(told, Tone.WARN)])
    for task in evaluation.tasks:
        rate = 100 * task.successes / max(1, task.episodes)
        count = f" {task.successes}/{task.episodes}".rjust(7)
        bar = bars.progress_bar(rate / 100, TASK_BAR, bars.heat(rate).tone)
        name = fitted([Span(task.task)], max(8, width - TASK_BAR - len(count) - 2))
        lines.append([*name, Span(" "), *bar, Span(count, Tone.MUTED)])
    for label, path in ((tr("log"), evaluation.log), (tr("checkpoint"), evaluation.checkpoint), *_videos(evaluation)):
        if path:
            room = max(8, width - len(label) - 2)
            lines.append([Span(f"{label} ", Tone.MUTED), Span(format.shortened_path(path, room))])
    return lines


def _videos(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The first video, and how many there are."""
    count = len(evaluation.videos)
    return [(tr("video") if count == 1 else tr("{count} videos", count=count), evaluation.videos[0])] if count else []
