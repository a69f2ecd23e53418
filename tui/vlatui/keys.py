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


PARTS: Sequence[tuple[str, Sequence[type[DOMNode]]]] = (
    ("Log", (LogPane, FollowingScroll)),
    ("Evaluations", (EvaluationsPane,)),
    ("Config", (ConfigTable,)),
    ("Metrics", (MetricsPane,)),
    ("Runs and other tables", (Table, RunTable)),
)


def key_groups(
    everywhere: Sequence[type[DOMNode]], shown_key: Callable[[Binding], str], focused: DOMNode | None
) -> list[Group]:
    """Groups of (keys, description): those of the part that has the focus, those that work everywhere, the others.

    The runs have the focus most of the time, and what is done to them works everywhere: they come second.
    """
    inside = focused.ancestors_with_self if focused is not None else ()
    here = [part for part in PARTS if any(isinstance(node, tuple(part[1])) for node in inside)]
    others = [part for part in PARTS if part not in here]
    all_over = ("Everywhere", everywhere)
    ordered = [all_over, *here, *others] if isinstance(focused, RunTable) else [*here, all_over, *others]
    return [(tr(name), _described(owners, shown_key)) for name, owners in ordered]


def _described(classes: Sequence[type[DOMNode]], shown_key: Callable[[Binding], str]) -> list[tuple[str, str]]:
    """Keys of one action are told together, in the order of the bindings."""
    keys: dict[tuple[str, str], list[str]] = {}
    for owner in classes:
        for binding in Binding.make_bindings(owner.BINDINGS):
            description = tr(binding.tooltip or binding.description)
            keys.setdefault((binding.action, description), []).append(shown_key(binding))
    return [(" ".join(shown), description) for (_, description), shown in keys.items() if description]
