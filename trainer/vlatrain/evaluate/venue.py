"""What a simulator must offer to be evaluated on: episodes side by side, and no waiting for a single one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vlatrain.errors import TrainerError
from vlatrain.evaluate.results import Episode, Outcome

Image = NDArray[np.uint8]
Plan = NDArray[np.float64]
"""Actions [N, 7] in the simulator's own units, gripper -1 (open) or +1 (close), to be executed one after the other"""


class EvaluationError(TrainerError):
    """An evaluation cannot go on; the message becomes the reason in its result."""


class Observation(NamedTuple):
    """What there is to see: the camera's picture uint8 [H, W, 3], the wrist camera's, the hand's state float [8].

    `is_stored` says that the pictures are as those of a data set: they have been through the JPEG.
    """

    image: Image
    wrist: Image | None = None
    state: NDArray[np.float64] | None = None
    is_stored: bool = False


class Seen(NamedTuple):
    """What is seen in an episode that `waits` for a plan, or within a plan; `is_start` also where it begins anew.

    The pictures are lent: they are drawn over once the episode gets its next plan.
    """

    episode: Episode
    observation: Observation
    is_start: bool = False
    waits: bool = True


class Ended(NamedTuple):
    """An episode is over."""

    episode: Episode
    outcome: Outcome


class Venue(Protocol):
    """Plays at most `seats` episodes at a time."""

    @property
    def seats(self) -> int: ...

    def preferred(self, waiting: Sequence[Episode]) -> Episode:
        """Which of the waiting ones it would best begin next."""

    def begin(self, episode: Episode) -> None:
        """Takes an episode on."""

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        """Executes a plan to its end or the episode's. What is seen within it is only told where it `is_followed`."""

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        """What has happened since; waits so long where nothing has. Raises EvaluationError where nothing ever will."""

    def close(self) -> None: ...


class Suite(Protocol):
    """Tasks in a fixed order; an instruction is what the robot is told. `versions` tells what simulates."""

    @property
    def name(self) -> str: ...
    @property
    def instructions(self) -> tuple[str, ...]: ...
    @property
    def versions(self) -> Mapping[str, str]: ...

    def open(self, batch_size: int, episodes: int) -> Venue:
        """A venue for so many episodes, of which the policy answers up to `batch_size` together."""
