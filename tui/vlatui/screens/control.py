"""What the dashboard does to runs: asks what must be asked, acts in a thread, says how it went."""

import re
from typing import TYPE_CHECKING, cast

import msgspec
from textual import work
from textual.screen import Screen
from vlad.records.foreign import ForeignJob
from vlad.records.requests import Action
from vlad.records.run import RunRecord, State
from vlad.records.spec import RunSpec

from vlatui import outlook
from vlatui.actions import Answer, ask
from vlatui.header import diagnosis_lines, header_lines
from vlatui.messages import ActionDone, ActionFailed
from vlatui.screens.confirm import ConfirmScreen
from vlatui.screens.new_run import NewRunScreen
from vlatui.screens.text import TextScreen
from vlatui.snapshot import HomeView, RunView
from vlatui.startform import StartForm, form_of
from vlatui.tones import Line, Span, Tone
from vlatui.widgets.run_table import RunTable

if TYPE_CHECKING:
    from vlatui.app import VlatuiApp

CHANGING = frozenset({"new", "duplicate", "stop", "resume", "save", "evaluate", "adopt", "remove"})
RUN_ID_IN_TEXT = re.compile(r"\d{8}-\d{4}-[A-Za-z0-9][A-Za-z0-9_.-]{0,63}-[0-9a-f]{4}")


class Control(Screen[None]):
    """A screen of runs with all that can be done to them; its subclass says which run is meant."""

    wanted: str | None = None

    @property
    def dashboard(self) -> "VlatuiApp":
        return cast("VlatuiApp", self.app)

    @property
    def view(self) -> HomeView:
        """The home as shown now."""
        raise NotImplementedError

    @property
    def selected(self) -> RunView | None:
        """The run under the cursor."""
        raise NotImplementedError

    @property
    def selected_spec(self) -> RunSpec | None:
        """What the selected run was started with; None while that is not read."""
        raise NotImplementedError

    @property
    def selected_foreign(self) -> ForeignJob | None:
        """The foreign training under the cursor."""
        raise NotImplementedError

    @property
    def chosen(self) -> list[RunView]:
        """The marked runs, else the selected one."""
        marked = [run for run in self.view.runs if run.run_id in self.query_one(RunTable).marked]
        return marked or ([self.selected] if self.selected else [])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing that changes a run is offered when reading only."""
        return not (action in CHANGING and self.dashboard.readonly)

    def action_stop(self, is_now: bool) -> None:
        """Asks, saying what will be lost, and stops."""
        runs = [run for run in self.chosen if run.is_live]
        if not runs:
            self._say_nothing_to_do("stop", "live")
            return
        title, losses = stop_question(runs, is_now=is_now)
        action = Action.STOP_NOW if is_now else Action.STOP
        yes = "stop now" if is_now else "stop"

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                self._request([run.run_id for run in runs], action)

        self.app.push_screen(ConfirmScreen(title, losses, yes=yes), answered)

    def action_save(self) -> None:
        self._request_of_running(Action.SAVE)

    def action_evaluate(self) -> None:
        self._request_of_running(Action.EVALUATE)

    def _request_of_running(self, action: Action) -> None:
        runs = [run.run_id for run in self.chosen if run.record.state is State.RUNNING]
        if runs:
            self._request(runs, action)
        else:
            self._say_nothing_to_do(action.value, "running")

    def _say_nothing_to_do(self, verb: str, state: str) -> None:
        run = self.selected
        words = f"{run.record.name} is {run.record.state.lower()}" if run else "no run is selected"
        self.notify(f"{words}: only a {state} run can {verb}", severity="warning", markup=False)

    @work(thread=True, group="actions", exit_on_error=False)
    def _request(self, run_ids: list[str], action: Action) -> None:
        for run_id in run_ids:
            try:
                words = ask(self.dashboard.home.run(run_id), action)
                self.post_message(ActionDone(f"{run_id} is {words}", run_id))
            except OSError as error:
                self.post_message(ActionFailed(f"{run_id} cannot be asked: {error}"))

    def action_resume(self) -> None:
        """Goes on with runs that have ended, from their last checkpoint."""
        runs = [run.run_id for run in self.chosen if not run.is_live]
        if runs:
            self._resume(runs)
        else:
            self._say_nothing_to_do("be resumed", "finished")

    @work(thread=True, group="actions", exit_on_error=False)
    def _resume(self, run_ids: list[str]) -> None:
        for run_id in run_ids:
            try:
                answer = self.dashboard.vlad(["resume", run_id], self.dashboard.home)
            except OSError as error:
                self.post_message(ActionFailed(f"vlad cannot be started: {error.strerror}"))
                return
            self.post_message(ActionDone(f"{run_id} goes on", run_id) if answer.is_done else ActionFailed(answer.words))

    def on_action_done(self, message: ActionDone) -> None:
        self.notify(message.words, markup=False, timeout=4)
        self.query_one(RunTable).clear_marks()
        self.dashboard.threads.collector.look()

    def on_action_failed(self, message: ActionFailed) -> None:
        self.notify(message.words, severity="error", markup=False, timeout=12)

    def action_new(self) -> None:
        self.app.push_screen(NewRunScreen(self.dashboard.home, StartForm(), self.dashboard.vlad), self._started)

    def action_duplicate(self) -> None:
        """Fills the form for a new run with what the selected one was started with."""
        spec = self.selected_spec
        if spec is None:
            self.notify("what this run was started with cannot be read", severity="warning", markup=False)
            return
        self.app.push_screen(NewRunScreen(self.dashboard.home, form_of(spec), self.dashboard.vlad), self._started)

    def action_remove(self) -> None:
        """Removes runs that have ended, after asking."""
        runs = [run for run in self.chosen if not run.is_live]
        if not runs:
            self._say_nothing_to_do("be removed", "finished")
            return

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                self._run_vlad(["rm", *(run.run_id for run in runs)], "removed")

        title = f"Remove {runs[0].record.name if len(runs) == 1 else f'{len(runs)} runs'}?"
        told = ["Its records and logs are deleted for good. Its checkpoints stay.", *(run.run_id for run in runs[:8])]
        self.app.push_screen(ConfirmScreen(title, told, yes="remove"), answered)

    @work(thread=True, group="actions", exit_on_error=False)
    def _run_vlad(self, arguments: list[str], said: str) -> None:
        try:
            answer = self.dashboard.vlad(arguments, self.dashboard.home)
        except OSError as error:
            answer = Answer(False, f"vlad cannot be started: {error.strerror}")
        self.dashboard.threads.neighbours.look_soon()
        self.post_message(ActionDone(said) if answer.is_done else ActionFailed(answer.words))

    def _started(self, output: str | None) -> None:
        if output is None:
            return
        if found := RUN_ID_IN_TEXT.search(output):
            self.wanted = found[0]
            self.notify(f"{found[0]} is started", timeout=4, markup=False)
        self.dashboard.threads.collector.look()

    def action_adopt(self) -> None:
        """Makes a run of the foreign training under the cursor, after asking."""
        job = self.selected_foreign
        if job is None:
            self.notify("only a training that vlad did not start can be adopted", severity="warning", markup=False)
            return

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                self._run_vlad(["adopt", str(job.process.pid)], f"process {job.process.pid} is a run now")

        told = ["It becomes a run: watched, stopped and explained here.", "Closing its terminal still ends it."]
        self.app.push_screen(ConfirmScreen(f"Adopt process {job.process.pid}?", told, yes="adopt"), answered)

    def action_why(self) -> None:
        """The whole diagnosis of the selected run, or how it stands where nothing is wrong."""
        run = self.selected
        if run is not None:
            width = min(100, self.size.width - 8)
            lines = why_lines(run, self.dashboard.clock(), width)
            self.app.push_screen(TextScreen(f"Why · {run.record.name}", lines))


def stop_question(runs: list[RunView], *, is_now: bool) -> tuple[str, list[str]]:
    """The question before stopping, and what each run will lose."""
    one = runs[0].record.name if len(runs) == 1 else f"{len(runs)} runs"
    if not is_now:
        saved = ["A checkpoint is saved after the present step, then it ends.", "Nothing is lost; r resumes it."]
        return f"Stop {one}?", saved
    losses = []
    for run in runs:
        steps = outlook.steps_at_risk(run.summary)
        lost = f"{steps:,} step{'s' * (steps != 1)} since the last checkpoint" if steps else "nothing that is not saved"
        losses.append(f"{run.record.name}: {lost}")
    return f"Stop {one} now, without saving?", ["It is killed at once and loses:", *losses]


def why_lines(run: RunView, now: float, width: int) -> list[Line]:
    """Every attempt's end, newest first, with its evidence and advice."""
    record = run.record
    if not record.attempts or all(attempt.diagnosis is None for attempt in record.attempts):
        return [*header_lines(run, now, width), [], [Span("No attempt of this run has failed.", Tone.MUTED)]]
    lines: list[Line] = []
    for attempt in reversed(record.attempts):
        if attempt.diagnosis is None:
            continue
        if lines:
            lines.append([])
        until = f", steps {attempt.start_step or 0:,} to {attempt.end_step:,}" if attempt.end_step is not None else ""
        lines.append([Span(f"Attempt {attempt.number}{until}", Tone.TITLE)])
        lines += diagnosis_lines(_as_of(record, attempt.number), width)
        lines += [[Span(f"  {one.file} @ {one.offset:,}", Tone.MUTED)] for one in attempt.diagnosis.evidence]
    return lines


def _as_of(record: RunRecord, number: int) -> RunRecord:
    return msgspec.structs.replace(record, attempts=tuple(a for a in record.attempts if a.number <= number))
