"""What every experiment tracker does, and what it is told at its start; the trainer knows no more of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedRun:
    """A run as trackers know it.

    `identity` is the same in every attempt and resume of one training history. `folder` is for files of trackers.
    Steps after `start_step` that were told before are void: they are trained anew.
    """

    identity: str
    name: str
    project: str
    entity: str | None
    folder: Path
    start_step: int
    settings: dict[str, str | int | float | bool | None]


class Tracker(Protocol):
    """May raise whatever it likes, at any time: it is then left out, and training goes on."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers of a step; the same step may come again with others."""

    def close(self, *, is_success: bool) -> None:
        """The last word."""
