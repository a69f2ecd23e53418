"""What the keys do, told from the bindings themselves."""

from collections.abc import Callable, Sequence

from textual.binding import Binding
from textual.dom import DOMNode

from vlatui.look.words import tr
from vlatui.widgets.config_table import ConfigTable
from vlatui.widgets.evaluations import EvaluationsPane
from vlatui.widgets.following_scroll import FollowingScroll
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.metrics import MetricsPane
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.table import Table

Group = tuple[str, Sequence[tuple[str, str]]]


def key_groups(everywhere: Sequence[type[DOMNode]], shown_key: Callable[[Binding], str]) -> list[Group]:
    """Groups of (keys, description): those that work everywhere, then those of each part."""
    return [
        (tr("Everywhere"), _described(everywhere, shown_key)),
        (tr("Runs and other tables"), _described((Table, RunTable), shown_key)),
        (tr("Log"), _described((LogPane, FollowingScroll), shown_key)),
        (tr("Evaluations"), _described((EvaluationsPane,), shown_key)),
        (tr("Config"), _described((ConfigTable,), shown_key)),
        (tr("Metrics"), _described((MetricsPane,), shown_key)),
    ]


def _described(classes: Sequence[type[DOMNode]], shown_key: Callable[[Binding], str]) -> list[tuple[str, str]]:
    """Keys of one action are told together, in the order of the bindings."""
    keys: dict[tuple[str, str], list[str]] = {}
    for owner in classes:
        for binding in Binding.make_bindings(owner.BINDINGS):
            description = tr(binding.tooltip or binding.description)
            keys.setdefault((binding.action, description), []).append(shown_key(binding))
    return [(" ".join(shown), description) for (_, description), shown in keys.items() if description]
