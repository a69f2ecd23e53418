"""The Config tab: every value and where it came from, only what is no default, or only what another run has not."""

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from vlad.records.spec import RunSpec

from vlatui.telling.comparison import told_apart
from vlatui.telling.config_rows import (
    CONFIG_COLUMNS,
    NO_CONFIG,
    NO_DIFFERENCE,
    config_difference,
    config_rows,
    difference_columns,
)
from vlatui.widgets.table import Table


class ConfigTable(Table):
    """Shows what a run was started with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ampersand", "only_chosen", "Only what is no default", show=False),
        Binding("equals_sign", "choose_other", "Only what differs from another run", show=False),
    ]

    @dataclass
    class OtherWanted(Message):
        """Another run is to be chosen for `show_difference_to`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(CONFIG_COLUMNS, id=id)
        self._spec: RunSpec | None = None
        self._only_chosen = False
        self._other: RunSpec | None = None

    def show(self, spec: RunSpec | None, *, anew: bool = False) -> None:
        self._spec = spec
        if self._other is None or spec is None:
            self.show_columns(CONFIG_COLUMNS)
            self.show_rows(config_rows(spec, only_chosen=self._only_chosen), NO_CONFIG, anew=anew)
            return
        name, other = told_apart([(one.name, one.run_id) for one in (spec, self._other)])
        self.show_columns(difference_columns(name, other))
        self.show_rows(config_difference(spec, self._other), NO_DIFFERENCE, anew=anew)

    def action_only_chosen(self) -> None:
        """Hides the defaults, or shows them again; a difference to another run is shown no longer."""
        self._only_chosen = self._other is None and not self._only_chosen
        self.show_difference_to(None)

    def action_choose_other(self) -> None:
        self.post_message(self.OtherWanted())

    def show_difference_to(self, other: RunSpec | None) -> None:
        """Shows only what differs from `other` from now on, whichever run is selected; None shows everything."""
        self._other = other
        self.show(self._spec, anew=True)
