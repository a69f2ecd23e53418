"""Which ended parts of runs are listed: those of unfolded runs, and while there is a filter the newest of all."""

from textual import on
from vlad.records.home_view import NO_PARTS, PartsWanted

from vlatui.screens.ends import Ends
from vlatui.widgets.run_table import RunTable


class Folding(Ends):
    """A screen of runs whose ended parts are folded away until they are asked for."""

    parts = NO_PARTS

    @on(RunTable.Unfolded)
    def _unfold(self) -> None:
        run = self.selected
        if run is not None and run.ended_parts:
            self._list(self.parts.of | {run.run_id})

    @on(RunTable.Folded)
    def _fold(self) -> None:
        """From a part its run is folded, and the cursor goes there."""
        run = self.selected
        if run is None:
            return
        whole = self.view.find(run.record.part_of)
        if run.run_id not in self.parts.of and whole is not None:
            self.go_to_run(whole.run_id)
            run = whole
        self._list(self.parts.of - {run.run_id})

    def filter_by(self, text: str) -> None:
        super().filter_by(text)
        self._list(self.parts.of)

    def _list(self, of: frozenset[str]) -> None:
        wanted = PartsWanted(of, newest=bool(self.filter.text))
        if wanted != self.parts:
            self.parts = wanted
            self.session.threads.list_parts(wanted)
            self.show()
