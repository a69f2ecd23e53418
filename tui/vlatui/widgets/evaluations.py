"""The Evaluations tab: one row a checkpoint, the success plot with its intervals, and the tasks of the chosen row."""

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.strip import Strip
from vlad.records import figures
from vlad.records.progress import Evaluation

from vlatui import bars, charts, format
from vlatui.columns import Column, Row
from vlatui.tones import Cell, Line, Painted, Span, Tone, cell, fitted
from vlatui.widgets.lines import Lines
from vlatui.widgets.table import Table

COLUMNS = (
    Column("step", "STEP", 5, align="right"),
    Column("success", "SUCCESS", 6, align="right"),
    Column("interval", "95% OF", 9, align="right", priority=3),
    Column("change", "VS BEST", 6, align="right", priority=4),
    Column("patience", "STOP", 3, align="right", priority=2),
    Column("tasks", "TASKS", 5, priority=5, most=24),
    Column("took", "TOOK", 6, align="right", priority=6),
)
NO_EVALUATIONS = ("No evaluation yet.", "each one appears here with its interval and its tasks")
TASK_BAR = 16
ARRIVING = "arriving"


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


def _cells_so_far(arriving: Evaluation) -> dict[str, Cell]:
    """Of an evaluation that goes on; its rate compares with nothing yet."""
    return {
        "step": cell(f"{arriving.step:,}", Tone.MUTED),
        "success": cell(figures.percent(arriving.success_rate), Tone.MUTED),
        "interval": cell(f"{arriving.low:.0f}-{arriving.high:.0f} of {arriving.episodes}", Tone.MUTED),
        "change": cell("so far", Tone.ACCENT),
        "tasks": tuple(bars.heat(100 * task.successes / max(1, task.episodes)) for task in arriving.tasks),
    }


def _cells(evaluation: Evaluation, best: float | None) -> dict[str, Cell]:
    step = cell(f"{evaluation.step:,}")
    if evaluation.failure is not None:
        return {"step": step, "success": cell("failed", Tone.BAD)}
    interval = f"{evaluation.low:.0f}-{evaluation.high:.0f} of {evaluation.episodes}" if evaluation.episodes else ""
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
        return cell("first", Tone.MUTED)
    change = rate - best
    return cell(
        f"{change:+.1f}".removesuffix(".0"), Tone.GOOD if change > 0 else Tone.BAD if change < 0 else Tone.MUTED
    )


def task_lines(evaluation: Evaluation, width: int) -> list[Line]:
    """What one evaluation says beyond its row: failure, tasks, log, checkpoint."""
    lines: list[Line] = [[Span(f"step {evaluation.step:,}", Tone.STRONG), Span(f"  {evaluation.suite}", Tone.MUTED)]]
    if evaluation.failure is not None:
        lines.append([Span(evaluation.failure, Tone.BAD)])
    for task in evaluation.tasks:
        rate = 100 * task.successes / max(1, task.episodes)
        count = f" {task.successes}/{task.episodes}".rjust(7)
        bar = bars.progress_bar(rate / 100, TASK_BAR, bars.heat(rate).tone)
        name = fitted([Span(task.task)], max(8, width - TASK_BAR - len(count) - 2))
        lines.append([*name, Span(" "), *bar, Span(count, Tone.MUTED)])
    for label, path in (("log", evaluation.log), ("checkpoint", evaluation.checkpoint)):
        if path:
            room = max(8, width - len(label) - 2)
            lines.append([Span(f"{label} ", Tone.MUTED), Span(format.shortened_path(path, room))])
    return lines


class SuccessChart(Painted):
    """Success over steps, drawn anew when it or its size changes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._evaluations: tuple[Evaluation, ...] = ()
        self._last_step: int | None = None
        self._selected: int | None = None
        self._rows: list[Line] = []

    def show(self, evaluations: tuple[Evaluation, ...], last_step: int | None, selected: int | None) -> None:
        shown = (self._evaluations, self._last_step, self._selected)
        if shown != (evaluations, last_step, selected):
            self._evaluations, self._last_step, self._selected = evaluations, last_step, selected
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        self._rows = charts.success_chart(self._evaluations, width, height, self._last_step, self._selected)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        return self.painted(self._rows[y] if y < len(self._rows) else [], self.size.width)


class TaskLines(Lines):
    """What one evaluation says, as wide as there is room."""

    _evaluation: Evaluation | None = None

    def show(self, evaluation: Evaluation | None) -> None:
        self._evaluation = evaluation
        self.show_lines([] if evaluation is None else task_lines(evaluation, max(20, self.size.width)))

    def on_resize(self, event: events.Resize) -> None:
        self.show(self._evaluation)


class EvaluationsPane(Horizontal):
    """Table on the left, plot and tasks on the right."""

    def compose(self) -> ComposeResult:
        yield Table(COLUMNS, id="evaluations")
        with Vertical(id="evaluation-side"):
            yield SuccessChart(id="success")
            yield TaskLines(id="tasks")

    def on_mount(self) -> None:
        self._evaluations: tuple[Evaluation, ...] = ()
        self._arriving: Evaluation | None = None
        self._last_step: int | None = None
        self._show(anew=True)

    def show(
        self,
        evaluations: tuple[Evaluation, ...],
        last_step: int | None,
        arriving: Evaluation | None = None,
        *,
        anew: bool,
    ) -> None:
        if anew or (evaluations, last_step, arriving) != (self._evaluations, self._last_step, self._arriving):
            self._evaluations, self._last_step, self._arriving = evaluations, last_step, arriving
            self._show(anew=anew)

    def _show(self, *, anew: bool) -> None:
        table = self.query_one(Table)
        table.show_rows(evaluation_rows(self._evaluations, self._arriving), NO_EVALUATIONS, anew=anew)
        self._show_selected()

    @on(Table.CursorMoved, "#evaluations")
    def _show_selected(self) -> None:
        key = self.query_one(Table).cursor_key
        selected = int(key) if key is not None and key != ARRIVING else None
        self.query_one("#evaluation-side").display = bool(self._evaluations) or self._arriving is not None
        self.query_one(SuccessChart).show(self._evaluations, self._last_step, selected)
        chosen = None if selected is None else self._evaluations[selected]
        self.query_one(TaskLines).show(self._arriving if key == ARRIVING else chosen)
