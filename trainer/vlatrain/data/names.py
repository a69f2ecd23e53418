"""What `dataset_name` may say: one data set, or several with weights. Loads nothing heavy."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from vlatrain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Part:
    """One data set of a mixture, and how often its frames come relative to those of the others."""

    name: str
    weight: float


def mixture_parts(dataset_name: str) -> tuple[Part, ...]:
    """`libero_spatial_no_noops` or `libero_spatial_no_noops,libero_goal_no_noops:0.5`, weight 1 where none is given.

    Raises ConfigError for an empty or repeated name and for a weight that is no number above 0.
    """
    parts = tuple(_part(text.strip()) for text in dataset_name.split(","))
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise ConfigError(f"--dataset_name {dataset_name}: names a data set twice", "dataset_name")
    return parts


def made_for(suite: str, names: Collection[str]) -> str | None:
    """Which of several data sets an evaluation on a suite goes by: the only one, else the one of the suite's name."""
    if len(names) == 1:
        return next(iter(names))
    return next((name for name in (suite, f"{suite}_no_noops") if name in names), None)


def _part(text: str) -> Part:
    name, _, weight = text.partition(":")
    try:
        number = float(weight or 1)
    except ValueError:
        number = math.nan
    if not name or not 0 < number < math.inf:
        raise ConfigError(f"--dataset_name {text}: no NAME or NAME:WEIGHT with a weight above 0", "dataset_name")
    return Part(name, number)
