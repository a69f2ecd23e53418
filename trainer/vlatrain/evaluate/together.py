"""Rollouts of a model that is spread over the ranks: whoever asks it needs all of them."""

from collections.abc import Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from vlatrain.distributed import Ranks
from vlatrain.evaluate.rollout import Policy
from vlatrain.evaluate.venue import Observation


class Together:
    """A policy over a sharded model: while any rank asks it, all ranks compute. Used as a context around a rollout.

    A rank whose episodes are over goes on computing its last batch (at first `example`) until nobody asks any more.
    """

    def __init__(self, policy: Policy, ranks: Ranks, example: tuple[Sequence[Observation], Sequence[str]]) -> None:
        self._policy, self._ranks = policy, ranks
        self._last = example

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        self._ranks.any_of([True])
        self._last = (observations, instructions)
        return self._policy(observations, instructions)

    def __enter__(self) -> "Together":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._ranks.any_of([False])[0]:
            self._policy(*self._last)
