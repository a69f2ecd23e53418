"""Which trackers a configuration asks for, and whether they are installed. Imports none of them."""

from enum import StrEnum
from importlib.util import find_spec
from typing import Protocol


class TrackerName(StrEnum):
    """The trackers there are; each is also the name of the extra that installs it."""

    WANDB = "wandb"
    TENSORBOARD = "tensorboard"
    TRACKIO = "trackio"


MODULES = {TrackerName.WANDB: "wandb", TrackerName.TENSORBOARD: "tensorboardX", TrackerName.TRACKIO: "trackio"}


class Wishes(Protocol):
    """The part of the configuration that says what is wanted."""

    @property
    def use_wandb(self) -> bool: ...
    @property
    def trackers(self) -> str: ...


def names(trackers: str) -> list[str]:
    """The parts of a list with commas."""
    return [name.strip() for name in trackers.split(",") if name.strip()]


def chosen(wishes: Wishes) -> tuple[TrackerName, ...]:
    """Each once, in the order of the list. Raises ValueError for a name that is none."""
    listed = [TrackerName(name) for name in names(wishes.trackers)]
    return tuple(dict.fromkeys([*([TrackerName.WANDB] if wishes.use_wandb else []), *listed]))


def is_installed(name: TrackerName) -> bool:
    return find_spec(MODULES[name]) is not None


def how_to_install(name: TrackerName) -> str:
    return f"pip install 'vlatui[{name}]'"
