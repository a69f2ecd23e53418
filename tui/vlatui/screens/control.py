"""What the dashboard does to runs: asks what must be asked, acts in a thread, says how it went."""

from collections.abc import Callable

from textual import work
from vlad.records.home_view import RunView
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import Kind

from vlatui.asking.messages import ActionDone, ActionFailed
from vlatui.asking.outside import hand_over
from vlatui.look.tones import Span
from vlatui.look.words import tr
from vlatui.screens.confirm import ConfirmScreen
from vlatui.screens.selection import Selection, new_run
from vlatui.screens.text import TextScreen
from vlatui.telling.questions import adopt_question, remove_question, stop_question
from vlatui.telling.why import why_lines

NOT_RUNNING = {
    Action.SAVE: "{run} is {state}: only a running run can save",
    Action.EVALUATE: "{run} is {state}: only a running run can evaluate",
}
CHANGING = frozenset(
    {"new", "duplicate", "stop", "resume", "save", "evaluate", "adopt", "remove", "attach", "resume_from"}
)


class Control(Selection):
    """A screen of runs with all that can be done to them."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing that changes a run is offered when reading only."""
        return not (action in CHANGING and self.session.readonly)

    def confirm(self, title: str, consequences: list[str], yes: str, act: Callable[[], object]) -> None:
        """Asks, saying what will be lost, and acts where the answer is yes."""

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                act()

        self.app.push_screen(ConfirmScreen(title, consequences, yes=yes), answered)

    def action_stop(self, is_now: bool) -> None:
        runs = [run for run in self.chosen if run.is_live]
        if not runs:
            self.say_nothing_to_do("{run} is {state}: only a live run can stop")
            return
        title, losses = stop_question(runs, is_now=is_now)
        action = Action.STOP_NOW if is_now else Action.STOP
        yes = "stop now" if is_now else "stop"
        self.confirm(title, losses, yes, lambda: self._request(runs, action))

    def action_save(self) -> None:
        self._request_of_running(Action.SAVE)

    def action_evaluate(self) -> None:
        self._request_of_running(Action.EVALUATE)

    def _request_of_running(self, action: Action) -> None:
        runs = [run for run in self.chosen if run.record.state is State.RUNNING]
        if runs:
            self._request(runs, action)
        else:
            self.say_nothing_to_do(NOT_RUNNING[action])

    @work(thread=True, group="actions", exit_on_error=False)
    def _request(self, runs: list[RunView], action: Action) -> None:
        for run in runs:
            try:
                words = self.session.sites.named(run.site).ask(run.run_id, action)
                said = tr("{run} is {what}", run=run.record.name, what=tr(words))
                if run.kind is Kind.COMMAND and action in NOT_RUNNING:
                    said += "; " + tr("of programs of others only those that use vlad.report answer")
                self.post_message(ActionDone(said))
            except OSError as error:
                words = error.strerror or str(error)
                self.post_message(ActionFailed(tr("{run} cannot be asked: {error}", run=run.record.name, error=words)))

    def action_resume(self) -> None:
        """Goes on with runs that have ended, from their last checkpoint."""
        runs = [run for run in self.chosen if not run.is_live]
        if runs:
            self._resume(runs)
        else:
            self.say_nothing_to_do("{run} is {state}: only a finished run can be resumed")

    @work(thread=True, group="actions", exit_on_error=False)
    def _resume(self, runs: list[RunView]) -> None:
        for run in runs:
            answer = self.session.ask_vlad("resume", run.run_id, site=run.site)
            done = ActionDone(tr("{run} goes on", run=run.record.name))
            self.post_message(done if answer.is_done else ActionFailed(answer.words))

    @work(thread=True, group="actions", exit_on_error=False)
    def run_vlad(self, *arguments: str, said: str, site: str, makes_run: bool = False) -> None:
        """Runs `vlad` in a thread and tells how it went: `said`, or vlad's own words; a run that it made is gone to."""
        answer = self.session.ask_vlad(*arguments, site=site)
        self.session.threads.look_at_hosts_soon()
        done = ActionDone(said, new_run(answer.output) if makes_run else None)
        self.post_message(done if answer.is_done else ActionFailed(answer.words))

    def action_remove(self) -> None:
        """Removes runs that have ended."""
        runs = [run for run in self.chosen if not run.is_live]
        if not runs:
            self.say_nothing_to_do("{run} is {state}: only a finished run can be removed")
            return
        title, told = remove_question(runs)

        def remove() -> None:
            for site in dict.fromkeys(run.site for run in runs):
                self.run_vlad("rm", *(run.run_id for run in runs if run.site == site), said=tr("removed"), site=site)

        self.confirm(title, told, "remove", remove)

    def action_adopt(self) -> None:
        """Makes a run of the foreign training under the cursor."""
        job = self.selected_foreign
        if job is None:
            self.warn(tr("only a training that vlad did not start can be adopted"))
            return
        title, told = adopt_question(job)
        pid, site = str(job.process.pid), self.selected_site
        said = tr("process {pid} is a run now", pid=pid)
        self.confirm(title, told, "adopt", lambda: self.run_vlad("adopt", pid, said=said, site=site, makes_run=True))

    def action_attach(self) -> None:
        """Gives the terminal to `vlad attach` until that is left: for a run that was started with a terminal."""
        run = self.selected
        if run is None or not run.is_live:
            self.say_nothing_to_do("{run} is {state}: only a live run can be attached to")
            return
        self.when_read(self._attach_to_run)

    def _attach_to_run(self) -> None:
        run = self.selected
        assert run is not None
        if self.selected_spec is not None and not self.selected_spec.has_terminal:
            self.warn(tr("{run} was started without --tty and has no terminal to attach to", run=run.record.name))
            return
        argv, environment = self.session.sites.named(run.site).attaching(run.run_id)
        if failure := hand_over(self.app, argv, environment):
            self.warn(failure)

    def action_stacks(self) -> None:
        """Where the processes of the selected run are in their code, now."""
        run = self.selected
        if run is None or not run.is_live:
            self.say_nothing_to_do("{run} is {state}: only a live run can show its stacks")
            return
        self.say(tr("looking at its processes…"))
        self._read_stacks(run)

    @work(thread=True, exclusive=True, group="stacks", exit_on_error=False)
    def _read_stacks(self, run: RunView) -> None:
        answer = self.session.ask_vlad("stacks", run.run_id, site=run.site)
        if answer.is_done:
            lines = [[Span(line)] for line in answer.output.splitlines()]
            page = TextScreen(f"{tr('Stacks')} · {run.record.name}", lambda _: lines)
            self.app.call_from_thread(self.app.push_screen, page)
        else:
            self.post_message(ActionFailed(answer.words))

    def action_why(self) -> None:
        """The whole diagnosis of the selected run, or how it stands where nothing is wrong."""
        run = self.selected
        if run is None:
            self.warn(tr("no run is selected"))
            return
        now = self.session.clock()
        page = TextScreen(f"{tr('Why')} · {run.record.name}", lambda width: why_lines(run, now, width))
        self.app.push_screen(page)
