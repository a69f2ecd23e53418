"""Which runs a key is meant for, and how what was asked for is told; everything else of the screen stands on this."""

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

    def say(self, words: str) -> None:
        self.notify(words, markup=False, timeout=NOTICE_S)

    def warn(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)

    def say_nothing_to_do(self, why: str) -> None:
        """Why a key did nothing: none of the chosen runs is in the state that it needs. `why` has {run} and {state}."""
        run = self.selected
        name, state = (run.record.name, tr(run.record.state.lower())) if run else ("", "")
        self.warn(tr(why, run=name, state=state) if run else tr("no run is selected"))

    def on_action_done(self, message: ActionDone) -> None:
        self.say(message.words)
        self.query_one(RunTable).clear_marks()
        self.session.threads.look()

    def on_action_failed(self, message: ActionFailed) -> None:
        self.notify(message.words, severity="error", markup=False, timeout=ERROR_S)
