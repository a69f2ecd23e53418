"""Starting runs from the dashboard: the form, empty or filled from a run that exists."""

import re
from pathlib import Path

from vlad.records.spec import Kind

from vlatui.asking.start_form import StartForm, form_of
from vlatui.reading.adapters import Adapter, adapters_told, evaluations_of, find_adapters
from vlatui.screens.adapters import AdapterScreen
from vlatui.screens.control import Control
from vlatui.screens.new_run import NewRunScreen

RUN_ID_IN_TEXT = re.compile(r"\d{8}-\d{4}-[A-Za-z0-9][A-Za-z0-9_.-]{0,63}-[0-9a-f]{4}")


class Starting(Control):
    """A screen of runs from which others are started."""

    def action_new(self) -> None:
        """On the host of the run under the cursor."""
        self._open_form(StartForm(), self.selected_site)

    def action_duplicate(self) -> None:
        """Fills the form for a new run with what the selected one was started with."""
        spec = self.selected_spec
        if spec is None:
            self.warn("what this run was started with cannot be read")
            return
        self._open_form(form_of(spec), self.selected_site)

    def action_resume_from(self) -> None:
        """Fills the form with the selected run and an adapter of it that is chosen from a list."""
        spec, run = self.selected_spec, self.selected
        saved = run.summary.last_checkpoint if run else None
        if run is None or spec is None or spec.kind is Kind.COMMAND or saved is None:
            self.warn("this run has told of no checkpoint yet")
            return
        folder, site = Path(saved.path).parent, self.session.sites.named(run.site)
        directory = site.home.run(run.run_id)

        def chosen(path: str | None) -> None:
            if path is not None:
                self._open_form(form_of(spec, resume=path), run.site)

        def find() -> tuple[Adapter, ...]:
            return adapters_told(directory) if site.label else find_adapters([folder], evaluations_of([directory]))

        self.app.push_screen(AdapterScreen(f"Resume {run.record.name} from", find, self.session.clock), chosen)

    def _open_form(self, filled_in: StartForm, site: str) -> None:
        def find(folders: list[Path]) -> tuple[Adapter, ...]:
            return self._find_adapters(folders, site)

        self.app.push_screen(NewRunScreen(self.session, filled_in, find, site), self._started)

    def _find_adapters(self, folders: list[Path], site: str) -> tuple[Adapter, ...]:
        """Adapters below `folders` and beside every checkpoint that a run there has told of. Touches the disk."""
        told = [run for run in self.view.runs if run.summary.last_checkpoint is not None and run.site == site]
        home = self.session.sites.named(site).home
        if site:
            return tuple(adapter for run in told for adapter in adapters_told(home.run(run.run_id)))
        saved = [Path(run.summary.last_checkpoint.path).parent for run in told if run.summary.last_checkpoint]
        return find_adapters([*folders, *saved], evaluations_of(home.run(run.run_id) for run in told))

    def _started(self, output: str | None) -> None:
        if output is None:
            return
        if found := RUN_ID_IN_TEXT.search(output):
            self.wanted = found[0]
            self.say(f"{found[0]} is started")
        self.session.threads.look()
