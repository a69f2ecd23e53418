"""The Log tab: one of the run's logs, a search line, and a status line that says what is going on."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input
from textual.worker import get_current_worker
from vlad.logs.search import Matches, compiled

from vlatui.asking.outside import hand_over, pager
from vlatui.log.matches import neighbour
from vlatui.log.moments import moment_of
from vlatui.log.reader import LogSought
from vlatui.log.seeking import Wanted
from vlatui.look.words import tr
from vlatui.reading.detail import LogSource
from vlatui.reading.series import Curve
from vlatui.telling.log_status import LogStatus
from vlatui.widgets.field import Field
from vlatui.widgets.lines import Lines
from vlatui.widgets.log_view import LogView

WELCOME = (
    "No run yet.",
    "",
    "n here, or in a shell",
    "vlad start --config configs/demo.yaml",
    "vlad start -- torchrun --nproc-per-node 8 train.py",
)
NO_LOG = ("This run has written no log yet.", "it appears here with its first line")
NO_STEPS = Curve()
EMPTY_LOG = ("The log is empty so far.",)


class LogPane(Vertical):
    """Shows one log of the selected run: the newest attempt's unless another one is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask('search')", "Search"),
        Binding("ampersand", "ask('filter')", "Only matching", show=False),
        Binding("colon", "ask('line')", "Go to a line, step or time", show=False),
        Binding("n", "match(1)", "Next match"),
        Binding("N", "match(-1)", "Previous match", show=False),
        Binding("left_square_bracket", "source(-1)", "Older log", show=False),
        Binding("right_square_bracket", "source(1)", "Newer log", show=False),
        Binding("W", "wrap", "Wrap", show=False),
        Binding("v", "page", "Open in $PAGER", show=False),
        Binding("y", "copy", "Copy screen", show=False),
        Binding("Y", "copy_path", "Copy path", show=False),
        Binding("escape", "clear", "Clear search", show=False),
    ]
    PROMPTS: ClassVar[dict[str, str]] = {
        "search": "search (regular expression)",
        "filter": "show only lines that match (regular expression)",
        "line": "go to line 120, step 500, 14:30 or -10m",
    }

    class Searched(Message):
        """A search ended; `failure` has words where it could not be made."""

        def __init__(self, matches: Matches, purpose: str, failure: str = "") -> None:
            super().__init__()
            self.matches = matches
            self.purpose = purpose
            self.failure = failure

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._has_run = self._is_live = False
        self._sources: tuple[LogSource, ...] = ()
        self._chosen: LogSource | None = None
        self._matches: Matches | None = None
        self._purpose = "search"
        self._filter = self._note = self._place = self._waiting = ""
        self._pace = NO_STEPS
        self.clock: Callable[[], float] = time.time

    def compose(self) -> ComposeResult:
        yield LogView(id="log")
        yield Field(id="log-prompt", compact=True)
        yield Lines(id="log-status")

    def on_mount(self) -> None:
        self.view.when_empty = WELCOME
        self.query_one(Input).display = False

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    @property
    def source(self) -> LogSource | None:
        """The chosen log, else the newest console."""
        consoles = [source for source in self._sources if source.is_console]
        return self._chosen if self._chosen in self._sources else consoles[-1] if consoles else None

    def show_run(
        self, sources: tuple[LogSource, ...], *, is_other_run: bool, is_live: bool, pace: Curve = NO_STEPS
    ) -> None:
        """The run's logs: of the newest attempt unless another was chosen. `pace`: when it was at which step."""
        self._has_run, self._is_live, self._pace = True, is_live, pace
        if is_other_run:
            self._chosen = None
        self._sources = sources
        self._open()

    def show_none(self, *, has_runs: bool) -> None:
        """Nothing is selected: words for whoever has no runs yet, and none where a filter hides them."""
        self._sources, self._chosen, self._has_run = (), None, False
        self._open()
        if has_runs:
            self.view.when_empty = ()

    def _open(self) -> None:
        source = self.source
        path = source.path if source else None
        if path != self.view.path:
            self._forget_search()
            self.view.open(path)
            if path is not None and self._waiting:
                self._search(self._waiting)
        self.view.when_empty = EMPTY_LOG if source else NO_LOG if self._has_run else WELCOME
        self._tell()

    def look(self) -> None:
        self.view.look()

    def toggle_follow(self) -> None:
        if self.view.follows:
            self.view.follows = False
        else:
            self.view.action_follow_end()

    @on(LogView.Looked)
    def _tell(self) -> None:
        view = self.view
        status = LogStatus(
            extent=view.extent, follows=view.follows, wraps=view.wraps, is_live=self._is_live, note=self._note,
            place="" if view.follows else self._place, matches=self._matches, current=view.current_match,
            only=self._filter, source=self.source,
            consoles=len([source for source in self._sources if source.is_console]),
        )  # fmt: skip
        self.query_one("#log-status", Lines).show_lines([status.line(max(1, (self.size.width or 80) - 2))])

    def action_ask(self, purpose: str) -> None:
        """Opens the prompt for a search, a filter or a line number."""
        self._purpose = purpose
        prompt = self.query_one(Input)
        prompt.placeholder = tr(self.PROMPTS[purpose])
        prompt.value = ""
        prompt.display = True
        prompt.focus()

    @on(Input.Submitted, "#log-prompt")
    def _answer(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_prompt()
        self._note = self._place = ""
        if self._purpose == "line":
            self._go_to_line(event.value)
        elif not event.value:
            self._forget_search()
        else:
            self._search(event.value)
        self._tell()

    def _close_prompt(self) -> None:
        self.query_one(Input).display = False
        self.view.focus()

    def _go_to_line(self, wanted: str) -> None:
        if wanted.strip().isdecimal():
            self.view.go_to(max(0, int(wanted) - 1), lights=True)
        elif step := re.fullmatch(r"\s*s(?:tep)?\s*(\d+)\s*", wanted):
            self._purpose = "search"
            self._search(rf"\bstep\W*{step[1]}\b")
        elif (moment := moment_of(wanted, self._now())) is not None:
            self.view.seek(Wanted(moment, self._pace.step_at(moment)))
        elif wanted:
            self._note = tr("{words} is neither a line, a step nor a time", words=repr(wanted))

    def _now(self) -> float:
        """From where times are counted back: a run that has ended has its last report for now."""
        return self.clock() if self._is_live or not len(self._pace) else self._pace.times[-1]

    def on_log_sought(self, message: LogSought) -> None:
        """A moment was found, or there is none to be found in this log."""
        message.stop()
        found = message.found
        if found is None:
            self._note = tr("no line of this log tells its time or step")
        else:
            self.view.go_to(found.line, lights=True)
            self._place = tr("line {number}", number=f"{found.line + 1:,}") + f" · {found.words}"
        self._tell()

    def _search(self, pattern: str) -> None:
        path, self._waiting = self.view.path, ""
        try:
            compiled(pattern)
        except re.error as error:
            self._note = tr("{pattern} is no regular expression: {error}", pattern=repr(pattern), error=error)
            return
        if path is not None:
            self._look_for(path, pattern, self._purpose)
        elif not self._has_run:
            self._waiting = pattern  # for the log of the run that is just being gone to

    @work(thread=True, exclusive=True, group="search", exit_on_error=False)
    def _look_for(self, path: Path, pattern: str, purpose: str) -> None:
        worker = get_current_worker()
        try:
            matches, failure = self.view.place.search(path, pattern, lambda: worker.is_cancelled), ""
        except OSError as error:
            words = tr("{file} cannot be searched: {error}", file=path.name, error=error.strerror or error)
            matches, failure = Matches(pattern), words
        if not worker.is_cancelled:
            self.post_message(self.Searched(matches, purpose, failure))

    def on_log_pane_searched(self, event: Searched) -> None:
        event.stop()
        self._note = event.failure
        if event.purpose == "filter":
            self._filter = event.matches.pattern
            self.view.show_only(event.matches.lines)
            self.view.highlight(compiled(event.matches.pattern))
        else:
            self._matches = event.matches
            self.view.highlight(compiled(event.matches.pattern))
            self.action_match(-1)
        self.refresh_bindings()
        self._tell()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of matches are ours only while there are any."""
        return action != "match" or (self._matches is not None and bool(self._matches.lines))

    def action_match(self, by: int) -> None:
        """Goes to the next (1) or previous (-1) matching line, seen from the present one or the screen."""
        if self._matches is None or not self._matches.lines:
            return
        lines = self._matches.lines
        index = neighbour(lines, self.view.current_match, by, self.view.line_count)
        self.view.highlight(self.view.pattern, lines[index])
        self.view.go_to(lines[index])
        self._tell()

    def _forget_search(self) -> None:
        self._matches, self._filter, self._note, self._place = None, "", "", ""
        self.view.highlight(None)
        self.view.show_only(None)
        self.refresh_bindings()

    def action_clear(self) -> None:
        """Ends the prompt, else the search and the filter, else leaves the log."""
        if self.query_one(Input).display:
            self._close_prompt()
        elif self._matches is not None or self._filter or self._note:
            self._forget_search()
            self._tell()
        else:
            self.screen.focus_next("RunTable")

    def action_source(self, by: int) -> None:
        """Shows the next older or newer log."""
        if (source := self.source) is not None:
            at = max(0, min(len(self._sources) - 1, self._sources.index(source) + by))
            self._chosen = self._sources[at]
            self._open()

    def action_wrap(self) -> None:
        self.view.wraps = not self.view.wraps

    def action_page(self) -> None:
        """Opens the log in the user's pager."""
        if self.view.path is None:
            return
        try:
            failure = hand_over(self.app, [*pager(), str(self.view.place.near(self.view.path))])
        except OSError as error:
            failure = str(error)
        if failure:
            self.notify(failure, severity="error", markup=False)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.view.visible_text)
        self.notify(tr("the lines on screen are copied"))

    def action_copy_path(self) -> None:
        if self.view.path is not None:
            self.app.copy_to_clipboard(self.view.place.called(self.view.path))
            self.notify(tr("the path of the log is copied"))
