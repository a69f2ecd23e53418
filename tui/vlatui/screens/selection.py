"""Which runs a key is meant for, and how what was asked for is told; everything else of the screen stands on this."""

import re
from collections.abc import Callable
from dataclasses import replace

from textual.binding import ActiveBinding
from textual.screen import Screen
from vlad.records.foreign import ForeignJob
from vlad.records.home_view import HomeView, RunView
from vlad.records.spec import RunSpec

from vlatui.asking.messages import ActionDone, ActionFailed
from vlatui.look.words import tr
from vlatui.session import Session
from vlatui.widgets.run_table import RunTable

NOTICE_S, ERROR_S = 4.0, 12.0
RUN_ID_IN_TEXT = re.compile(r"\d{8}-\d{4}-([A-Za-z0-9][A-Za-z0-9_.-]{0,63})-[0-9a-f]{4}")


def new_run(output: str) -> str | None:
    """The id of the run that a verb of vlad says it made."""
    found = RUN_ID_IN_TEXT.search(output)
    return found[0] if found else None


class Selection(Screen[None]):
    """A screen of runs; its subclass says which one is under the cursor."""

    wanted: str | None = None

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys as the footer shows them, in the user's language."""
        return {
            key: ActiveBinding(
                node, replace(binding, description=tr(binding.description)), is_enabled, tr(tooltip) if tooltip else ""
            )
            for key, (node, binding, is_enabled, tooltip) in super().active_bindings.items()
        }

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
    def selected_site(self) -> str:
        """The host of what is under the cursor; empty for this one."""
        raise NotImplementedError

    @property
    def chosen(self) -> list[RunView]:
        """The marked runs, else the selected one."""
        marked = [run for run in self.view.runs if run.run_id in self.query_one(RunTable).marked]
        return marked or ([self.selected] if self.selected else [])

    def when_read(self, act: Callable[[], object]) -> None:
        """Acts once the selected run is read in full, at once where it is; not where another is selected before."""
        raise NotImplementedError

    def want(self, run_id: str) -> None:
        """Puts the cursor on this run, now or as soon as it is listed."""
        raise NotImplementedError

    def say(self, words: str) -> None:
        self.notify(words, markup=False, timeout=NOTICE_S)

    def warn(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)

    def say_nothing_to_do(self, why: str) -> None:
        """Why a key did nothing: none of the chosen runs is in the state that it needs. `why` has {run} and {state}."""
        run, job = self.selected, self.selected_foreign
        if run is not None:
            self.warn(tr(why, run=run.record.name, state=tr(run.record.state.lower())))
        elif job is not None:
            self.warn(tr("process {pid} is no run of vlad's; a adopts it", pid=job.process.pid))
        else:
            self.warn(tr("no run is selected"))

    def on_action_done(self, message: ActionDone) -> None:
        self.say(message.words)
        self.query_one(RunTable).clear_marks()
        if message.new_run is not None:
            self.want(message.new_run)
        self.session.threads.look()

    def on_action_failed(self, message: ActionFailed) -> None:
        self.notify(message.words, severity="error", markup=False, timeout=ERROR_S)
