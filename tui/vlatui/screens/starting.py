"""Starting runs from the dashboard. The forms are loaded when they are wanted: the first picture does not wait."""

from vlad.records.spec import Kind, RunSpec

from vlatui.look.words import tr
from vlatui.screens.control import Control
from vlatui.screens.selection import RUN_ID_IN_TEXT


class Starting(Control):
    """A screen of runs from which others are started."""

    def action_new(self) -> None:
        """On the host of the run under the cursor."""
        from vlatui.screens.forms import new_form

        self.app.push_screen(new_form(self.session, self.selected_site), self._started)

    def action_duplicate(self) -> None:
        """Fills the form for a new run with what the selected one was started with."""
        self.when_read(self._duplicate)

    def _duplicate(self) -> None:
        spec = self.selected_spec
        if spec is None:
            self.warn(tr("what this run was started with cannot be read"))
            return
        self._open_form_like(spec, self.selected_site)

    def _open_form_like(self, spec: RunSpec, site: str, resume: str = "") -> None:
        from vlatui.screens.forms import form_like

        self.app.push_screen(form_like(self.session, spec, site, resume), self._started)

    def action_resume_from(self) -> None:
        """Fills the form with the selected run and an adapter of it that is chosen from a list."""
        self.when_read(self._resume_from)

    def _resume_from(self) -> None:
        from vlatui.screens.forms import checkpoints_of

        spec, run = self.selected_spec, self.selected
        if run is None or spec is None or spec.kind is Kind.COMMAND or run.summary.last_checkpoint is None:
            self.warn(tr("this run has told of no checkpoint yet"))
            return

        def chosen(path: str | None) -> None:
            if path is not None:
                self._open_form_like(spec, run.site, path)

        self.app.push_screen(checkpoints_of(self.session, run), chosen)

    def _started(self, output: str | None) -> None:
        if output is None:
            return
        if found := RUN_ID_IN_TEXT.search(output):
            self.say(tr("{run} is started", run=found[1]))
            self.want(found[0])
        self.session.threads.look()
