"""The one screen: runs above, the selected run below, everything live."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, Footer, Static

from vlatui.screens.navigation import TABS
from vlatui.screens.showing import Showing
from vlatui.telling import tables
from vlatui.widgets.config_table import ConfigTable
from vlatui.widgets.evaluations import EvaluationsPane
from vlatui.widgets.field import Field
from vlatui.widgets.lines import Lines
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.metrics import MetricsPane
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.tab_strip import TabStrip
from vlatui.widgets.table import Table


class DashboardScreen(Showing):
    """The parts of the screen and their keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Start a new run"),
        Binding("d", "duplicate", "Duplicate", show=False, tooltip="Start a run like this one, with changes"),
        Binding("s", "stop(False)", "Stop", tooltip="Stop the run (or the marked ones); a checkpoint is saved first"),
        Binding("S", "stop(True)", "Stop now", show=False, tooltip="Stop at once, without saving"),
        Binding("r", "resume", "Resume", tooltip="Go on with a run that has ended, from its last checkpoint"),
        Binding("R", "resume_from", "Resume from", show=False, tooltip="Start anew from a checkpoint of this run"),
        Binding("c", "save", "Save", show=False, tooltip="Save a checkpoint between two steps"),
        Binding("e", "evaluate", "Evaluate", show=False, tooltip="Evaluate between two steps"),
        Binding("D", "remove", "Remove", show=False, tooltip="Remove runs that have ended; checkpoints stay"),
        Binding("a", "adopt", "Adopt", show=False, tooltip="Make a run of a training that vlad did not start"),
        Binding("t", "attach", "Attach", show=False, tooltip="Attach this terminal to the run's own one"),
        Binding("T", "stacks", "Stacks", show=False, tooltip="Where the run's processes are in their code, now"),
        Binding("w", "why", "Why", tooltip="Why the run died: evidence and advice"),
        Binding("f", "follow", "Follow", tooltip="Follow the end of the log, or pause"),
        Binding("colon", "go_to_line", "Go to a line, step or time", show=False),
        Binding("slash", "filter", "Filter", tooltip="Filter the runs: text, failed, live, success>80, suite:spatial"),
        Binding("o", "sort", "Sort", show=False, tooltip="Sort the runs: newest, name, success, loss"),
        Binding("O", "group", "Group", show=False, tooltip="Headings above the runs: live, queued, ended; or none"),
        Binding("C", "columns", "Columns", show=False, tooltip="Choose the columns of the runs"),
        Binding(
            "B", "bell", "Bell", show=False, tooltip="When a run ends: bell, desktop notification, both or neither"
        ),
        Binding("x", "compare", "Compare", show=False, tooltip="Compare the marked runs: curves and configuration"),
        Binding("z", "zoom", "Hide or show the runs", show=False),
        Binding("enter", "enter_run", "Go to the tab", show=False),
        Binding("escape", "leave", "Back to the runs", show=False),
        *(Binding(str(number), f"tab('{key}')", name, show=False) for number, (key, name) in enumerate(TABS, 1)),
        Binding("comma", "next_tab(-1)", "Previous tab", show=False),
        Binding("full_stop", "next_tab(1)", "Next tab", show=False),
    ]

    def compose(self) -> ComposeResult:
        yield Lines(id="top")
        yield RunTable((), id="runs")
        yield Field(id="run-filter", placeholder="text, failed, success>80, suite:spatial", compact=True)
        yield Static(classes="rule")
        yield Lines(id="header")
        yield TabStrip(TABS, id="tabs")
        with ContentSwitcher(initial="log-pane", id="panes"):
            yield LogPane(id="log-pane")
            yield EvaluationsPane(id="evaluations-pane")
            yield MetricsPane(id="metrics-pane")
            yield Table(tables.PROCESS_COLUMNS, id="processes-pane")
            yield Table(tables.EVENT_COLUMNS, id="events-pane", follows_first=True)
            yield ConfigTable(id="config-pane")
        yield Lines(id="gpus")
        yield Footer(compact=True, show_command_palette=False)
