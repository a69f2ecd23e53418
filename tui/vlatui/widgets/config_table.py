"""The Config tab: every value and where it came from, or only those that are no defaults."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from vlad.records.spec import RunSpec

from vlatui.telling.tables import CONFIG_COLUMNS, NO_CONFIG, config_rows
from vlatui.widgets.table import Table


class ConfigTable(Table):
    """Shows what a run was started with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ampersand", "only_chosen", "Only what is no default", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(CONFIG_COLUMNS, id=id)
        self._spec: RunSpec | None = None
        self._only_chosen = False

    def show(self, spec: RunSpec | None, *, anew: bool = False) -> None:
        self._spec = spec
        self.show_rows(config_rows(spec, only_chosen=self._only_chosen), NO_CONFIG, anew=anew)

    def action_only_chosen(self) -> None:
        """Hides the defaults, or shows them again."""
        self._only_chosen = not self._only_chosen
        self.show(self._spec, anew=True)
