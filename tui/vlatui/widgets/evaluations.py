"""The Evaluations tab: one row a checkpoint, the success plot with its intervals, and the tasks of the chosen row."""

import os
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.strip import Strip
from vlad.records.progress import Evaluation

from vlatui.asking.opening import open_video
from vlatui.asking.outside import hand_over, pager
from vlatui.look.painting import Painted
from vlatui.look.tones import Line
from vlatui.look.words import tr
from vlatui.reading.under_way import UnderWay
from vlatui.telling import charts
from vlatui.telling.evaluation_rows import ARRIVING, COLUMNS, evaluation_rows, task_lines
from vlatui.telling.under_way import under_way_line
from vlatui.widgets.lines import Lines
from vlatui.widgets.table import Table


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


class EvaluationsPane(Vertical):
    """Above what goes on now; below the table on the left, plot and tasks on the right."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open_video", "Open the video; again: the next one", show=False),
        Binding("v", "open_log", "Open the log in $PAGER", show=False),
        Binding("y", "copy('checkpoint')", "Copy the checkpoint's path", show=False),
        Binding("Y", "copy('log')", "Copy the log's path", show=False),
        Binding("V", "copy('videos')", "Copy the videos' paths", show=False),
    ]

    def compose(self) -> ComposeResult:
        yield Lines(id="under-way")
        with Horizontal():
            yield Table(COLUMNS, id="evaluations", follows_first=True)
            with Vertical(id="evaluation-side"):
                yield SuccessChart(id="success")
                yield TaskLines(id="tasks")

    def on_mount(self) -> None:
        self._evaluations: tuple[Evaluation, ...] = ()
        self._arriving: Evaluation | None = None
        self._last_step: int | None = None
        self._when_none: tuple[str, ...] = ()
        self._opened: tuple[tuple[str, ...], int] = ((), 0)

    def show(
        self,
        evaluations: tuple[Evaluation, ...],
        last_step: int | None,
        under_way: UnderWay | None,
        when_none: tuple[str, ...],
        now: float,
        *,
        anew: bool,
    ) -> None:
        """`when_none` stands where there is no evaluation yet; `now` in Unix seconds."""
        self.query_one("#under-way", Lines).show_lines([under_way_line(under_way, now)] if under_way else [])
        before = (self._evaluations, self._last_step, self._arriving, self._when_none)
        shown = (evaluations, last_step, under_way.so_far if under_way else None, when_none)
        if anew or shown != before:
            self._evaluations, self._last_step, self._arriving, self._when_none = shown
            self.query_one(Table).show_rows(evaluation_rows(evaluations, self._arriving), when_none, anew=anew)
            self._show_selected()

    @on(Table.CursorMoved, "#evaluations")
    def _show_selected(self) -> None:
        key, selected = self.query_one(Table).cursor_key, self._selected
        has_any = bool(self._evaluations) or self._arriving is not None
        self.query_one("#evaluation-side").set_class(not has_any, "-empty")
        self.query_one(SuccessChart).show(self._evaluations, self._last_step, selected)
        chosen = None if selected is None else self._evaluations[selected]
        self.query_one(TaskLines).show(self._arriving if key == ARRIVING else chosen)

    @property
    def _selected(self) -> int | None:
        """The number of the evaluation under the cursor; None for one that is still arriving."""
        key = self.query_one(Table).cursor_key
        return int(key) if key is not None and key != ARRIVING else None

    def action_open_log(self) -> None:
        number = self._selected
        log = self._evaluations[number].log if number is not None else None
        failure = hand_over(self.app, [*pager(), log]) if log else tr("this evaluation has told of no log")
        if failure:
            self.notify(failure, severity="warning", markup=False)

    @on(Table.Chosen, "#evaluations")
    def action_open_video(self, event: Table.Chosen | None = None) -> None:
        """Opens a video of the evaluation under the cursor; each further time the next one."""
        if event is not None:
            event.stop()
        number = self._selected
        videos = self._evaluations[number].videos if number is not None else ()
        if not videos:
            self.notify(tr("this evaluation has told of no {what}", what=tr("videos")), severity="warning")
            return
        at = self._opened[1] + 1 if self._opened[0] == videos else 0
        self._opened = (videos, at % len(videos))
        self._open_video(videos[at % len(videos)], f"{at % len(videos) + 1}/{len(videos)}")

    @work(thread=True, exclusive=True, group="video", exit_on_error=False)
    def _open_video(self, video: str, which: str) -> None:
        failure = open_video(video, os.environ)
        self.app.call_from_thread(self._tell_opened, video, which, failure)

    def _tell_opened(self, video: str, which: str, failure: str) -> None:
        """Where nothing can be opened, the path is copied instead."""
        if not failure:
            self.notify(tr("video {which} is opened", which=which), markup=False)
            return
        self.app.copy_to_clipboard(video)
        words = tr("{failure}: the path of video {which} is copied", failure=failure, which=which)
        self.notify(words, severity="warning", markup=False)

    def action_copy(self, what: str) -> None:
        """Copies a path, over SSH too."""
        number = self._selected
        found = getattr(self._evaluations[number], what) if number is not None else None
        if not found:
            self.notify(tr("this evaluation has told of no {what}", what=tr(what)), severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(found if isinstance(found, str) else "\n".join(found))
        self.notify(tr("copied: {what}", what=tr(what)), markup=False)
