"""The table of runs: which columns there are, and what each says about a run."""

from collections.abc import Sequence, Set
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from vlad.records.foreign import ForeignJob
from vlad.records.home_view import RunView

from vlatui.telling.run_groups import Grouped, RunGroup, placed, under_headings
from vlatui.telling.run_rows import columns_for, foreign_row, run_row, unreadable_row
from vlatui.widgets.table import Table


class RunTable(Table):
    """All runs, live ones first."""

    lights_always: ClassVar[bool] = True
    has_hosts = False
    _connecting: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", show=False),
        Binding("right,l", "unfold", "Parts", show=False, tooltip="List the run's parts that have ended below it"),
        Binding("left,h", "fold", "Fold", show=False, tooltip="Fold them again; from a part: to its run"),
    ]

    class Unfolded(Message):
        """The ended parts of the run under the cursor are to be listed."""

    class Folded(Message):
        """They are to be listed no longer."""

    def show(
        self, runs: Sequence[RunView], unreadable: Sequence[tuple[str, str]], foreign: Sequence[tuple[str, ForeignJob]],
        now: float, when_empty: tuple[str, ...], *, has_headings: bool, unfolded: Set[str] = frozenset(),
    ) -> None:  # fmt: skip
        """The runs, those that cannot be read, and below them the foreign trainings with their hosts.

        A host that is being connected to is no place for the cursor once there are runs.
        """
        rows: list[Grouped] = [
            (group, run_row(run, now, is_below=is_below, is_unfolded=run.run_id in unfolded))
            for group, run, is_below in placed(runs, has_headings=has_headings)
        ]
        rows += ((RunGroup.UNREAD, unreadable_row(run_id, words)) for run_id, words in unreadable)
        rows += ((RunGroup.FOREIGN, foreign_row(job, now, site)) for site, job in foreign)
        was_on_connecting = self.cursor_key in self._connecting
        self._connecting = frozenset(name for name, words in unreadable if words.endswith("…"))
        parts = {run.run_id for run in runs if run.is_ended_part}
        self.show_rows(under_headings(rows, parts) if has_headings else [row for _, row in rows], when_empty)
        if was_on_connecting and runs:
            self.move_cursor_to(runs[0].run_id)

    def on_resize(self, event: object) -> None:
        self._choose_columns()

    def _choose_columns(self) -> None:
        self.show_columns(columns_for(self.size.width, has_hosts=self.has_hosts, hidden=self.hidden))

    def hide(self, columns: Set[str]) -> None:
        """Leaves these columns out, however much room there is."""
        self.hidden = frozenset(columns)
        self._choose_columns()

    def action_unfold(self) -> None:
        self.post_message(self.Unfolded())

    def action_fold(self) -> None:
        self.post_message(self.Folded())

    def action_mark(self) -> None:
        self.toggle_mark()
        self.move_cursor(self.cursor + 1)
