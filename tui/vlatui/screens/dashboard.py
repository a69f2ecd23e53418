"""The one screen: runs above, the selected run below, everything live."""

from dataclasses import dataclass, field
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, Footer, Input, Static
from vlad.records import figures
from vlad.records.run import State

from vlatui import describe
from vlatui.detail import RunDetail
from vlatui.header import barred, header_lines
from vlatui.messages import DetailRead, FilesChanged, HomeRead, ProcessesRead, ReadFailed
from vlatui.screens.navigation import TABS, Navigation
from vlatui.snapshot import HomeView, RunView
from vlatui.tones import Line, Span, Tone, justified
from vlatui.widgets import details
from vlatui.widgets.evaluations import EvaluationsPane
from vlatui.widgets.lines import Lines
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.metrics import MetricsPane
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.tab_strip import TabStrip
from vlatui.widgets.table import Table

TICK_S = 1.0
REPAINT_S = 0.25
PROCESS_TICKS = 2
LEAST_TABLE, MOST_TABLE_PART = 3, 0.35


@dataclass(slots=True)
class _Shown:
    """What the screen shows now."""

    view: HomeView
    detail: RunDetail | None = None
    ticks: int = 0
    is_read: bool = False
    anew: set[str] = field(default_factory=set)


class DashboardScreen(Navigation):
    """Shows what messages tell; reads nothing itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Start a new run"),
        Binding("s", "stop(False)", "Stop", tooltip="Stop the run (or the marked ones); a checkpoint is saved first"),
        Binding("S", "stop(True)", "Stop now", show=False, tooltip="Stop at once, without saving"),
        Binding("r", "resume", "Resume", tooltip="Go on with a run that has ended, from its last checkpoint"),
        Binding("c", "save", "Save", show=False, tooltip="Save a checkpoint between two steps"),
        Binding("e", "evaluate", "Evaluate", show=False, tooltip="Evaluate between two steps"),
        Binding("w", "why", "Why", tooltip="Why the run died: evidence and advice"),
        Binding("f", "follow", "Follow", tooltip="Follow the end of the log, or pause"),
        Binding("slash", "filter", "Filter", tooltip="Filter the runs: text, failed, live, success>80, suite:spatial"),
        Binding("z", "zoom", "Hide or show the runs", show=False),
        Binding("enter", "enter_run", "Go to the tab", show=False),
        Binding("escape", "leave", "Back to the runs", show=False),
        *(Binding(str(number), f"tab('{key}')", name, show=False) for number, (key, name) in enumerate(TABS, 1)),
        Binding("ctrl+l", "repaint", "Paint the screen again", show=False),
        Binding("comma", "next_tab(-1)", "Previous tab", show=False),
        Binding("full_stop", "next_tab(1)", "Next tab", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it as an instance variable
        (0, "-narrow"),
        (72, "-normal"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - as above
        (0, "-low"),
        (16, "-middle"),
        (30, "-high"),
    ]

    def compose(self) -> ComposeResult:
        yield Lines(id="top")
        yield RunTable((), id="runs")
        yield Input(id="run-filter", placeholder="text, failed, success>80, suite:spatial", compact=True)
        yield Static(classes="rule")
        yield Lines(id="header")
        yield TabStrip(TABS, id="tabs")
        with ContentSwitcher(initial="log-pane", id="panes"):
            yield LogPane(id="log-pane")
            yield EvaluationsPane(id="evaluations-pane")
            yield MetricsPane(id="metrics-pane")
            yield Table(details.PROCESS_COLUMNS, id="processes-pane")
            yield Table(details.EVENT_COLUMNS, id="events-pane")
            yield Table(details.CONFIG_COLUMNS, id="config-pane")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.shown = _Shown(HomeView(str(self.dashboard.home.path)))
        self.wanted = self.dashboard.wanted
        self.query_one("#run-filter", Input).display = False
        self.query_one(LogPane).view.wraps = self.dashboard.settings.wraps_log
        self.show_tab(self.dashboard.settings.tab)
        self.query_one(RunTable).focus()
        self.set_interval(TICK_S, self._tick)
        self.show()
        self.dashboard.threads.start()

    # what the threads tell

    def on_home_read(self, message: HomeRead) -> None:
        self.shown.view, self.shown.is_read = message.view, True
        self.show()
        if self.wanted is not None and message.view.find(self.wanted) is not None:
            self.go_to_run(self.wanted)
            self.wanted = None

    def on_detail_read(self, message: DetailRead) -> None:
        if message.detail.run_id == self.selected_id:
            before, self.shown.detail = self.shown.detail, message.detail
            self._show_detail(is_other_run=before is None or before.run_id != message.detail.run_id)

    def on_processes_read(self, message: ProcessesRead) -> None:
        if message.run_id == self.selected_id:
            rows = details.process_rows(message.processes, self.dashboard.clock())
            self.query_one("#processes-pane", Table).show_rows(rows, details.NO_PROCESSES)

    def on_files_changed(self, message: FilesChanged) -> None:
        """Without paths it is a look just in case."""
        run_id = self.selected_id or ""
        if self.tab == "log" and (not message.paths or any(run_id in path for path in message.paths)):
            self.query_one(LogPane).look()

    def on_read_failed(self, message: ReadFailed) -> None:
        self.notify(message.words, severity="error", markup=False)

    # what is selected

    @property
    def view(self) -> HomeView:
        return self.shown.view

    @property
    def selected_id(self) -> str | None:
        return self.query_one(RunTable).cursor_key

    @property
    def selected(self) -> RunView | None:
        return self.shown.view.find(self.selected_id)

    @on(Table.CursorMoved, "#runs")
    def _selection_moved(self) -> None:
        self.dashboard.threads.collector.select(self.selected_id)
        self.shown.detail = None
        self._show_header()
        if self.selected_id is None:
            self.query_one(LogPane).show_none()
            self._show_detail(is_other_run=True)

    # showing

    def show(self) -> None:
        table = self.query_one(RunTable)
        table.show(self.shown.view, self.dashboard.clock(), self.filter.matches, self._when_empty())
        most = max(LEAST_TABLE, int(self.size.height * MOST_TABLE_PART))
        table.styles.height = min(len(table.rows) + 1, most) if table.rows else LEAST_TABLE
        self._show_top()
        self._show_header()

    def _when_empty(self) -> tuple[str, ...]:
        if not self.shown.is_read:
            return ("reading…",)
        if self.shown.view.runs:
            return (f"No run matches {self.filter.text!r}.", "escape clears the filter")
        return ("No runs yet.", "n starts one")

    def _show_top(self) -> None:
        view = self.shown.view
        live = len(view.live)
        left: Line = [Span("vlatui", Tone.TITLE), Span("  ")]
        left += [Span("● ", Tone.GOOD if live else Tone.FAINT), Span(f"{live} live")]
        for state in (State.FAILED, State.SUCCEEDED, State.STOPPED):
            if number := view.in_state(state):
                left += [Span("   "), describe.state_mark(state), Span(f" {number} {state.value.lower()}", Tone.MUTED)]
        if view.has_older:
            left.append(Span("   older ones: vlad ls --all", Tone.FAINT))
        if self.filter.text:
            left.append(Span(f"   / {self.filter.text}", Tone.ACCENT))
        readonly = "read only   " if self.dashboard.readonly else ""
        right = [Span(readonly, Tone.WARN), Span(self.dashboard.home_name, Tone.FAINT)]
        self.query_one("#top", Lines).show_lines([justified(left, right, max(1, self.size.width - 2))])

    def _show_header(self) -> None:
        header = self.query_one("#header", Lines)
        run, width = self.selected, max(20, self.size.width - 2)
        if run is None:
            failure = dict(self.shown.view.unreadable).get(self.selected_id or "", "")
            header.show_lines(barred([failure], Tone.BAD, width, most_lines=4) if failure else [])
            return
        most_facts = 0 if self.size.height < 16 else 2 if self.size.height < 30 else 3
        lines = header_lines(run, self.dashboard.clock(), width, most_facts)
        header.show_lines(lines[:2] if self.size.height < 12 else lines)

    def _show_detail(self, *, is_other_run: bool) -> None:
        if (detail := self.shown.detail) is not None:
            is_live = self.selected is not None and self.selected.is_live
            self.query_one(LogPane).show_run(detail.logs, is_other_run=is_other_run, is_live=is_live)
        if is_other_run:
            self.shown.anew = set(dict(TABS))
            self.query_one("#processes-pane", Table).show_rows((), details.NO_PROCESSES)
        self.show_active_tab()

    def show_active_tab(self) -> None:
        """Only what is on screen is drawn; the other tabs are when they are chosen."""
        detail, tab = self.shown.detail or RunDetail(""), self.tab
        anew = tab in self.shown.anew
        self.shown.anew.discard(tab)
        badges = {"evaluations": figures.count(len(detail.evaluations))} if detail.evaluations else {}
        self.query_one(TabStrip).show(tab, badges)
        match tab:
            case "log":
                self.query_one(LogPane).look()
            case "evaluations":
                last_step = self.selected.summary.max_steps if self.selected else None
                self.query_one(EvaluationsPane).show(detail.evaluations, last_step, anew=anew)
            case "metrics":
                self.query_one(MetricsPane).show(detail.curves)
            case "events":
                rows = details.event_rows(detail.events)
                self.query_one("#events-pane", Table).show_rows(rows, details.NO_EVENTS, anew=anew)
            case "config":
                rows = details.config_rows(detail.spec)
                self.query_one("#config-pane", Table).show_rows(rows, details.NO_CONFIG, anew=anew)
            case "processes":
                self.dashboard.threads.collector.look_at_processes()

    def _tick(self) -> None:
        """Ages and countdowns go on by themselves; processes are looked at while they are on screen."""
        self.shown.ticks += 1
        if not self.app.app_focus:
            return
        self.show()
        if self.tab == "processes" and self.shown.ticks % PROCESS_TICKS == 0:
            self.dashboard.threads.collector.look_at_processes()

    def on_resize(self) -> None:
        """Paints twice: a terminal that is still being resized may lose the first painting."""
        self.show()
        self.set_timer(REPAINT_S, self.refresh)
