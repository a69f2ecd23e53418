"""Moving around the dashboard: tabs, focus, the filter of the runs."""

from textual import on, work
from textual.widgets import ContentSwitcher, Input
from vlad.records.files import RecordError
from vlad.records.home_view import RunView

from vlatui.asking.messages import ActionFailed
from vlatui.look.words import tr
from vlatui.screens.starting import Starting
from vlatui.telling.comparison import told_apart
from vlatui.telling.run_filter import RunFilter
from vlatui.widgets.config_table import ConfigTable
from vlatui.widgets.log_pane import LogPane
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


class Navigation(Starting):
    """A screen of runs with tabs below; its subclass says what they show."""

    filter = RunFilter("")

    def show(self) -> None:
        """Shows everything as it is now."""
        raise NotImplementedError

    def show_active_tab(self) -> None:
        """Shows the active tab as it is now."""
        raise NotImplementedError

    @property
    def tab(self) -> str:
        return (self.query_one(ContentSwitcher).current or "log-pane").removesuffix("-pane")

    def go_to_run(self, run_id: str) -> None:
        """Puts the cursor on a run; a filter that hides it is cleared."""
        table = self.query_one(RunTable)
        if self.filter.text and all(row.key != run_id for row in table.rows):
            self.filter_by("")
        table.move_cursor_to(run_id)

    def show_tab(self, tab: str) -> None:
        if tab not in dict(TABS):
            return
        self.query_one(ContentSwitcher).current = f"{tab}-pane"
        self.show_active_tab()

    def _focus_tab(self) -> None:
        self.query_one(FOCUS.get(self.tab, f"#{self.tab}-pane")).focus()

    def action_tab(self, tab: str) -> None:
        was_inside = not self.query_one(RunTable).has_focus
        self.show_tab(tab)
        self.session.remember(tab=tab)
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
            self.filter_by("")
        self.query_one(RunTable).focus()

    def action_sort(self) -> None:
        """Sorts the runs in the next way, and remembers it."""
        sort = self.session.settings.sort.following
        self.session.remember(sort=sort)
        self.notify(tr("sorted by {order}", order=tr(sort.value)), timeout=2, markup=False)
        self.show()

    def action_group(self) -> None:
        """Puts the runs under headings, or no longer, and remembers it."""
        has_headings = not self.session.settings.has_headings
        self.session.remember(has_headings=has_headings)
        self.notify(tr("runs under headings") if has_headings else tr("no headings"), timeout=2, markup=False)
        self.show()

    def action_columns(self) -> None:
        """Chooses the columns of the runs, and remembers them."""
        from vlatui.screens.columns import ColumnsScreen

        table = self.query_one(RunTable)

        def changed(hidden: frozenset[str]) -> None:
            table.hide(hidden)
            self.session.remember(hidden_columns=tuple(sorted(hidden)))

        self.app.push_screen(ColumnsScreen(table.hidden, changed))

    def action_compare(self) -> None:
        """Shows the marked runs side by side."""
        names = told_apart([(run.record.name, run.run_id) for run in self.chosen])
        sites = [self.session.sites.named(run.site) for run in self.chosen]
        runs = [(site, run.run_id, name) for site, run, name in zip(sites, self.chosen, names, strict=True)]
        if len(runs) < 2:
            self.warn(tr("mark two runs or more with space, then compare"))
            return
        from vlatui.screens.compare import CompareScreen  # loaded when it is wanted: the first picture does not wait

        self.app.push_screen(CompareScreen(runs))

    @on(ConfigTable.OtherWanted)
    def _choose_other_config(self) -> None:
        """Has the run chosen whose configuration the Config tab is compared with."""
        from vlatui.screens.run_choice import RunChoiceScreen

        others = [run for run in self.view.runs if self.selected is None or run.run_id != self.selected.run_id]

        if not others:
            self.warn(tr("There is no other run."))
            return

        def chosen(run_id: str | None) -> None:
            if run := next((run for run in others if run.run_id == run_id), None):
                self._read_other_config(run)

        title = tr("What differs from")
        self.app.push_screen(RunChoiceScreen(title, others, self.session.clock()), chosen)

    @work(thread=True, exclusive=True, group="other configuration", exit_on_error=False)
    def _read_other_config(self, run: RunView) -> None:
        site = self.session.sites.named(run.site)
        try:
            site.bring(run.run_id)
            spec = site.home.run(run.run_id).read_spec()
        except (OSError, RecordError) as error:
            self.post_message(ActionFailed(str(error)))
            return
        self.app.call_from_thread(self.query_one(ConfigTable).show_difference_to, spec)

    def action_zoom(self) -> None:
        self.toggle_class("zoomed")
        if self.has_class("zoomed"):
            self._focus_tab()
        else:
            self.query_one(RunTable).focus()

    def action_follow(self) -> None:
        self.show_tab("log")
        self.query_one(LogPane).toggle_follow()

    def action_go_to_line(self) -> None:
        self.show_tab("log")
        self.query_one(LogPane).action_ask("line")

    def action_filter(self) -> None:
        prompt = self.query_one("#run-filter", Input)
        prompt.value = self.filter.text
        prompt.display = True
        prompt.focus()

    @on(Input.Changed, "#run-filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        if event.input.display:
            self.filter_by(event.value)

    @on(Input.Submitted, "#run-filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.input.display = False
        self.query_one(RunTable).focus()

    def filter_by(self, text: str) -> None:
        """Shows only the runs that these words fit."""
        self.filter = RunFilter(text)
        self.query_one("#run-filter", Input).display &= bool(text) or self.query_one("#run-filter", Input).has_focus
        self.show()
