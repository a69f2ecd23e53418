"""What the one screen shows: it takes what the threads tell, and reads nothing itself."""

import gc
from collections.abc import Callable

from textual import on
from textual.widgets import Input
from vlad.host.neighbours import NOBODY
from vlad.records import figures
from vlad.records.foreign import ForeignJob
from vlad.records.history import RUN_ID
from vlad.records.home_view import HomeView, RunView
from vlad.records.spec import RunSpec

from vlatui.look.tones import Tone
from vlatui.look.words import tr
from vlatui.reading.detail import RunDetail, foreign_logs
from vlatui.reading.messages import DetailRead, FilesChanged, HomeRead, HostRead, ProcessesRead, ReadFailed
from vlatui.reading.under_way import still_going
from vlatui.screens.folding import Folding
from vlatui.screens.navigation import TABS
from vlatui.screens.shown import Shown
from vlatui.sites.sites import merged
from vlatui.telling import gpu_strip, tables, top_line
from vlatui.telling.header import barred, foreign_lines, header_lines
from vlatui.telling.run_filter import arranged, matching
from vlatui.telling.run_rows import foreign_key
from vlatui.telling.under_way import nothing_yet
from vlatui.widgets.config_table import ConfigTable
from vlatui.widgets.evaluations import EvaluationsPane
from vlatui.widgets.lines import Lines
from vlatui.widgets.log_pane import NO_STEPS, LogPane
from vlatui.widgets.metrics import MetricsPane
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.tab_strip import TabStrip
from vlatui.widgets.table import Table

TICK_S = 1.0
PROCESS_TICKS = 2
LEAST_TABLE, MOST_TABLE_PART = 3, 0.35
LEAST_HEIGHT_FOR_HEADINGS = LEAST_HEIGHT_FOR_STATUS = 16

COLLECT_AFTER_S = 1.0


class Showing(Folding):
    """A screen of runs that shows what messages tell."""

    def on_mount(self) -> None:
        sites = self.session.sites
        self.shown = Shown(HomeView(str(sites.local.home.path)))
        self.query_one(LogPane).view.place, self.query_one(LogPane).clock = sites, self.session.clock
        self.query_one(RunTable).has_hosts = sites.has_others
        self.wanted = self.session.wanted
        self.query_one("#run-filter", Input).display = False
        self.query_one(LogPane).view.wraps = self.session.settings.wraps_log
        self.query_one(RunTable).hide(frozenset(self.session.settings.hidden_columns))
        self.show_tab(self.session.settings.tab)
        self.query_one(RunTable).focus()
        self.set_interval(TICK_S, self._tick)
        self.show()
        self.session.threads.start()
        self.set_timer(COLLECT_AFTER_S, _collect_garbage)

    # what the threads tell

    def on_home_read(self, message: HomeRead) -> None:
        self.shown.homes[message.site] = message.view
        view = merged(self.shown.view.path, self.shown.homes.values())
        self.tell_ends(self.shown.view, view)
        self.shown.view, self.shown.is_read = view, True
        self.show()
        if self.wanted is not None:
            self.want(self.wanted)

    def on_detail_read(self, message: DetailRead) -> None:
        if message.detail.run_id == self.selected_id:
            before, self.shown.detail = self.shown.detail, message.detail
            self._show_detail(is_other_run=before is None or before.run_id != message.detail.run_id)
            self._show_header()
            if self.shown.waiting is not None:
                (_, act), self.shown.waiting = self.shown.waiting, None
                act()

    def on_processes_read(self, message: ProcessesRead) -> None:
        if message.run_id == self.selected_id:
            rows = tables.process_rows(message.processes, self.session.clock())
            self.query_one("#processes-pane", Table).show_rows(rows, tables.NO_PROCESSES)

    def on_host_read(self, message: HostRead) -> None:
        self.shown.hosts[message.site] = message.view
        for gpu in message.view.gpus:
            loads = self.shown.loads.setdefault(message.site, {}).setdefault(gpu.index, [])
            loads.append(gpu_strip.load_of(gpu))
            del loads[: -gpu_strip.HISTORY]
        self.show()

    def on_files_changed(self, message: FilesChanged) -> None:
        """Without paths it is a look just in case."""
        run_id = self.selected_id or ""
        if self.tab == "log" and (not message.paths or any(run_id in path for path in message.paths)):
            self.query_one(LogPane).look()

    def on_read_failed(self, message: ReadFailed) -> None:
        self.notify(message.words, severity="error", markup=False)

    def want(self, run_id: str) -> None:
        is_listed = self.shown.view.find(run_id) is not None
        self.wanted = None if is_listed else run_id
        if is_listed:
            self.go_to_run(run_id)

    # what is selected

    @property
    def view(self) -> HomeView:
        return self.shown.view

    @property
    def selected_id(self) -> str | None:
        return self.query_one(RunTable).cursor_key

    @property
    def selected_spec(self) -> RunSpec | None:
        detail = self.shown.detail
        return detail.spec if detail is not None and detail.run_id == self.selected_id else None

    def when_read(self, act: Callable[[], object]) -> None:
        detail, run = self.shown.detail, self.selected
        if run is None or (detail is not None and detail.run_id == run.run_id):
            act()
        else:
            self.shown.waiting = (run.run_id, act)

    @property
    def selected_foreign(self) -> ForeignJob | None:
        """The foreign training under the cursor."""
        return next((job for site, job in self.shown.foreign if foreign_key(job, site) == self.selected_id), None)

    @property
    def selected_site(self) -> str:
        foreign = (site for site, job in self.shown.foreign if foreign_key(job, site) == self.selected_id)
        return self.selected.site if self.selected else next(foreign, "")

    @property
    def selected(self) -> RunView | None:
        return self.shown.view.find(self.selected_id)

    @on(Table.CursorMoved, "#runs")
    def _selection_moved(self) -> None:
        job, log = self.selected_foreign, self.query_one(LogPane)
        self.session.threads.select(None if job else self._readable_id(), self.selected_site)
        self.shown.detail = None
        if self.shown.waiting is not None and self.shown.waiting[0] != self.selected_id:
            self.shown.waiting = None
        self._show_header()
        if job is not None:
            site = self.session.sites.named(self.selected_site)
            log.show_run(foreign_logs(job, site.foreign_log), is_other_run=True, is_live=True)
        elif self.selected_id is None:
            log.show_none(has_runs=bool(self.shown.view.runs))
        if job is not None or self.selected_id is None:
            self._show_detail(is_other_run=True)

    def _readable_id(self) -> str | None:
        """The run under the cursor; a line that stands for a host that is not reached is none."""
        return self.selected_id if RUN_ID.fullmatch(self.selected_id or "") else None

    # showing

    def show(self) -> None:
        table = self.query_one(RunTable)
        foreign = [(site, job) for site, job in self.shown.foreign if self.filter.matches_foreign(job)]
        runs = arranged(matching(self.shown.view.runs, self.filter, self.parts.of), self.session.settings.sort)
        table.show(
            runs, self.shown.view.unreadable, foreign, self.session.clock(), self._when_empty(),
            has_headings=self.session.settings.has_headings and self.size.height >= LEAST_HEIGHT_FOR_HEADINGS,
            unfolded=self.parts.of,
        )  # fmt: skip
        most = max(LEAST_TABLE, int(self.size.height * MOST_TABLE_PART))
        table.styles.height = min(len(table.rows) + 1, most) if table.rows else LEAST_TABLE
        self._show_top()
        self._show_header()
        self._show_gpus()
        if self.tab == "evaluations":
            self._show_evaluations(anew=False)

    def _show_gpus(self) -> None:
        """Those of the host of what is under the cursor."""
        width, most, site = max(20, self.size.width - 2), self.size.height // 8, self.selected_site
        host, home = self.shown.hosts.get(site, NOBODY), self.shown.homes.get(site, self.shown.view)
        lines = gpu_strip.gpu_lines(host, home, self.shown.loads.get(site, {}), width, most)
        self.query_one("#gpus", Lines).show_lines(lines)
        self.place_notices(above=1 if self.size.height < LEAST_HEIGHT_FOR_STATUS else len(lines) + 2)

    def _when_empty(self) -> tuple[str, ...]:
        if not self.shown.is_read:
            return ("reading…",)
        if self.shown.view.runs:
            return (tr("No run matches {words}.", words=repr(self.filter.text)), "escape clears the filter")
        return ("No runs yet.", "n starts one")

    def _show_top(self) -> None:
        session = self.session
        right = f"{tr('read only') + '   ' if session.readonly else ''}{session.home_name}"
        line = top_line.top_line(
            self.shown.view, session.settings.sort, self.filter, right, max(1, self.size.width - 2)
        )
        self.query_one("#top", Lines).show_lines([line])

    def _show_header(self) -> None:
        header = self.query_one("#header", Lines)
        run, width = self.selected, max(20, self.size.width - 2)
        if (job := self.selected_foreign) is not None:
            header.show_lines(foreign_lines(job, width))
            return
        if run is None:
            failure = dict(self.shown.view.unreadable).get(self.selected_id or "", "")
            header.show_lines(
                barred([failure], Tone.INFO if failure.endswith("…") else Tone.BAD, width, most_lines=4)
                if failure
                else []
            )
            return
        most_facts = 0 if self.size.height < 16 else 2 if self.size.height < 30 else 3
        lines = header_lines(run, self.session.clock(), width, most_facts, self._budget)
        header.show_lines(lines[:2] if self.size.height < 12 else lines)

    @property
    def _budget(self) -> int | None:
        """The restarts that the selected run is allowed without a new checkpoint between."""
        return self.selected_spec.restart.budget if self.selected_spec else None

    def _show_detail(self, *, is_other_run: bool) -> None:
        if (detail := self.shown.detail) is not None:
            is_live = self.selected is not None and self.selected.is_live
            pace = max(detail.curves.values(), key=len, default=NO_STEPS)
            self.query_one(LogPane).show_run(detail.logs, is_other_run=is_other_run, is_live=is_live, pace=pace)
        if is_other_run:
            self.shown.anew = set(dict(TABS))
            self.query_one("#processes-pane", Table).show_rows((), tables.NO_PROCESSES)
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
                self._show_evaluations(anew=anew)
            case "metrics":
                self.query_one(MetricsPane).show(detail.curves)
            case "events":
                rows = tables.event_rows(detail.events)
                self.query_one("#events-pane", Table).show_rows(rows, tables.NO_EVENTS, anew=anew)
            case "config":
                self.query_one(ConfigTable).show(detail.spec, anew=anew)
            case "processes":
                self.session.threads.look_at_processes()

    def _show_evaluations(self, *, anew: bool) -> None:
        detail, run = self.shown.detail or RunDetail(""), self.selected
        under_way = still_going(detail.under_way, run.record if run else None)
        last_step = run.summary.max_steps if run else None
        when_none = nothing_yet(run, detail.spec, under_way)
        pane = self.query_one(EvaluationsPane)
        pane.show(detail.evaluations, last_step, under_way, when_none, self.session.clock(), anew=anew)

    def _tick(self) -> None:
        """Ages and countdowns go on by themselves; processes are looked at while they are on screen."""
        self.shown.ticks += 1
        if not self.app.app_focus:
            return
        self.show()
        log = self.query_one(LogPane)
        if self.tab == "log" and log.source is not None and log.source.is_outside:
            log.look()
        if self.tab == "processes" and self.shown.ticks % PROCESS_TICKS == 0:
            self.session.threads.look_at_processes()

    def on_resize(self) -> None:
        self.show()


def _collect_garbage() -> None:
    """From now on; what was loaded for the first picture stays for good and is not looked through again."""
    gc.freeze()
    gc.enable()
