"""What the dashboard is measured against: a bare Textual app of as many widgets, and the same table as a DataTable."""

import sys
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Static
from vlad.records.rundir import Home
from vlad.records.summary_reading import read_summary

COLUMNS = ("RUN", "STATE", "STEP", "LOSS", "SPEED")


class Bare(App[None]):
    """Widgets that show one word."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def compose(self) -> ComposeResult:
        for number in range(self._count):
            yield Static(f"ready {number}")


class Listed(App[None]):
    """The live runs of a home in a DataTable, read once a second: the way a tutorial would."""

    def compose(self) -> ComposeResult:
        yield DataTable()

    def on_mount(self) -> None:
        self._home = Home(Path(sys.argv[2]))
        table = self.query_one(DataTable)
        table.add_columns(*((name, name) for name in COLUMNS))
        for run_id in self._home.live_ids():
            table.add_row(run_id, "running", "ready 0", "", "", key=run_id)
        self.set_interval(1.0, self._read)

    def _read(self) -> None:
        table = self.query_one(DataTable)
        for run_id in self._home.live_ids():
            summary = read_summary(self._home.run(run_id)).summary
            table.update_cell(run_id, "STEP", f"{summary.step}/{summary.max_steps}")
            table.update_cell(run_id, "LOSS", f"{summary.loss:.4f}")
            table.update_cell(run_id, "SPEED", f"{summary.samples_per_s:.1f}")


if __name__ == "__main__":
    (Bare(int(sys.argv[2])) if sys.argv[1] == "bare" else Listed()).run(mouse=False)
