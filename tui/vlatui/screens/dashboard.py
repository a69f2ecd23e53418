"""The one screen: runs above, the selected run below, everything live."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, Footer, Input
from vlad.records import figures
from vlad.records.run import State

from vlatui import describe
from vlatui.detail import RunDetail
from vlatui.header import header_lines
from vlatui.messages import DetailRead, FilesChanged, HomeRead, ProcessesRead, ReadFailed
from vlatui.runfilter import RunFilter
from vlatui.screens.control import Control
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

TABS = (
    ("log", "Log"),
    ("evaluations", "Evaluations"),
    ("metrics", "Metrics"),
    ("processes", "Processes"),
    ("events", "Events"),
    ("config", "Config"),
)
FOCUS = {"log": "#log", "evaluations": "#evaluations", "metrics": "#curve"}
TICK_S = 1.0
PROCESS_TICKS = 2
LEAST_TABLE, MOST_TABLE_PART = 3, 0.35


@dataclass(slots=True)
class _Shown:
    """What the screen shows now."""

    view: HomeView
    detail: RunDetail | None = None
    ticks: int = 0
    is_read: bool = False


class DashboardScreen(Control):
    """Shows what messages tell; reads nothing itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New"),
        Binding("s", "stop(False)", "Stop"),
        Binding("S", "stop(True)", "Stop now", show=False),
        Binding("r", "resume", "Resume"),
        Binding("c", "save", "Save a checkpoint", show=False),
        Binding("e", "evaluate", "Evaluate now", show=False),
        Binding("w", "why", "Why"),
        Binding("f", "follow", "Follow"),
        Binding("slash", "filter", "Filter"),
        Binding("z", "zoom", "Hide or show the runs", show=False),
        Binding("enter", "enter_run", "Go to the tab", show=False),
        Binding("escape", "leave", "Back to the runs", show=False),
        *(Binding(str(number), f"tab('{key}')", name, show=False) for number, (key, name) in enumerate(TABS, 1)),
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
        self.filter = RunFilter("")
        self.wanted = self.dashboard.wanted
        self.query_one("#run-filter", Input).display = False
        self.query_one(LogPane).view.wraps = self.dashboard.settings.wraps_log
        self.show_tab(self.dashboard.settings.tab)
        self.query_one(RunTable).focus()
        self.set_interval(TICK_S, self._tick)
        self._show()
        self.dashboard.threads.start()

    # what the threads tell

    def on_home_read(self, message: HomeRead) -> None:
        self.shown.view, self.shown.is_read = message.view, True
        self._show()
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

    @property
    def tab(self) -> str:
        return (self.query_one(ContentSwitcher).current or "log-pane").removesuffix("-pane")

    @on(Table.CursorMoved, "#runs")
    def _selection_moved(self) -> None:
        self.dashboard.threads.collector.select(self.selected_id)
        self.shown.detail = None
        self._show_header()
        if self.selected_id is None:
            self.query_one(LogPane).show_none()
            self._show_detail(is_other_run=True)
        if self.tab == "processes":
            self.dashboard.threads.collector.look_at_processes()

    # showing

    def _show(self) -> None:
        table = self.query_one(RunTable)
        table.show(self.shown.view, self.dashboard.clock(), self.filter.matches, self._when_empty())
        most = max(LEAST_TABLE, int(self.size.height * MOST_TABLE_PART))
        table.styles.height = max(LEAST_TABLE, min(len(table.rows) + 1, most))
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
            header.show_lines([[Span("▌ ", Tone.BAD), Span(failure, Tone.BAD)]] if failure else [])
            return
        most_facts = 0 if self.size.height < 16 else 2 if self.size.height < 30 else 3
        lines = header_lines(run, self.dashboard.clock(), width, most_facts)
        header.show_lines(lines[:2] if self.size.height < 12 else lines)

    def _show_detail(self, *, is_other_run: bool) -> None:
        detail = self.shown.detail or RunDetail("")
        if self.shown.detail is not None:
            self.query_one(LogPane).show_run(detail.logs, is_other_run=is_other_run)
        run = self.selected
        self.query_one(EvaluationsPane).show(detail.evaluations, run.summary.max_steps if run else None)
        self.query_one(MetricsPane).show(detail.curves)
        self.query_one("#events-pane", Table).show_rows(details.event_rows(detail.events), details.NO_EVENTS)
        self.query_one("#config-pane", Table).show_rows(details.config_rows(detail.spec), details.NO_CONFIG)
        if is_other_run:
            self.query_one("#processes-pane", Table).show_rows((), details.NO_PROCESSES)
        self._show_tabs()

    def _show_tabs(self) -> None:
        detail = self.shown.detail
        badges = {"evaluations": figures.count(len(detail.evaluations))} if detail and detail.evaluations else {}
        self.query_one(TabStrip).show(self.tab, badges)

    def _tick(self) -> None:
        """Ages and countdowns go on by themselves; processes are looked at while they are on screen."""
        self.shown.ticks += 1
        if not self.app.app_focus:
            return
        self._show()
        if self.tab == "processes" and self.shown.ticks % PROCESS_TICKS == 0:
            self.dashboard.threads.collector.look_at_processes()

    def on_resize(self) -> None:
        self._show()

    # moving around

    def go_to_run(self, run_id: str) -> None:
        self.query_one(RunTable).move_cursor_to(run_id)

    def show_tab(self, tab: str) -> None:
        if tab not in dict(TABS):
            return
        self.query_one(ContentSwitcher).current = f"{tab}-pane"
        self._show_tabs()
        if tab == "processes":
            self.dashboard.threads.collector.look_at_processes()

    def _focus_tab(self) -> None:
        self.query_one(FOCUS.get(self.tab, f"#{self.tab}-pane")).focus()

    def action_tab(self, tab: str) -> None:
        was_inside = not self.query_one(RunTable).has_focus
        self.show_tab(tab)
        self.dashboard.remember(tab=tab)
        if was_inside:
            self._focus_tab()

    def action_next_tab(self, by: int) -> None:
        keys = [key for key, _ in TABS]
        self.action_tab(keys[(keys.index(self.tab) + by) % len(keys)])

    @on(TabStrip.Clicked)
    def _tab_clicked(self, event: TabStrip.Clicked) -> None:
        self.action_tab(event.tab)

    @on(Table.Chosen, "#runs")
    def action_enter_run(self) -> None:
        self._focus_tab()

    def action_leave(self) -> None:
        """Shows the runs again where they are hidden, clears their filter, and goes to them."""
        self.remove_class("zoomed")
        if self.query_one(RunTable).has_focus:
            self._filter_by("")
        self.query_one(RunTable).focus()

    def action_zoom(self) -> None:
        self.toggle_class("zoomed")
        if self.has_class("zoomed"):
            self._focus_tab()
        else:
            self.query_one(RunTable).focus()

    def action_follow(self) -> None:
        self.show_tab("log")
        self.query_one(LogPane).toggle_follow()

    # filtering the runs

    def action_filter(self) -> None:
        prompt = self.query_one("#run-filter", Input)
        prompt.value = self.filter.text
        prompt.display = True
        prompt.focus()

    @on(Input.Changed, "#run-filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        if event.input.display:
            self._filter_by(event.value)

    @on(Input.Submitted, "#run-filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.input.display = False
        self.query_one(RunTable).focus()

    def _filter_by(self, text: str) -> None:
        self.filter = RunFilter(text)
        self.query_one("#run-filter", Input).display &= bool(text) or self.query_one("#run-filter", Input).has_focus
        self._show()
