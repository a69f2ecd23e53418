"""Rollouts of a model that is spread over the ranks: whoever asks it needs all of them."""

from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from vlatrain.distributed import Ranks
from vlatrain.evaluate.rollout import Policy
from vlatrain.evaluate.venue import Observation

Predicted = Callable[[Callable[[], NDArray[np.float64]]], NDArray[np.float64]]


class Together:
    """A policy over a sharded model: while any rank asks it, all ranks compute. Used as a context around a rollout.

    A rank whose episodes are over goes on computing its last batch (at first `example`) until nobody asks any more.
    One whose memory runs out raises torch.OutOfMemoryError, while the others get their answers; it may ask again.
    """

    def __init__(
        self,
        policy: Policy,
        ranks: Ranks,
        example: tuple[Sequence[Observation], Sequence[str]],
        predicted: Predicted = lambda predict: predict(),
    ) -> None:
        """`predicted` runs a prediction so that the ranks stay in step, whatever happens on this one."""
        self._policy, self._ranks, self._predicted = policy, ranks, predicted
        self._example = self._last = example

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        self._ranks.any_of([True])
        actions = self._predicted(lambda: self._policy(observations, instructions))
        self._last = (observations, instructions)
        return actions

    def __enter__(self) -> "Together":
        """Collective, as everything here: a first prediction of the smallest size shows how all of them go."""
        self(*self._example)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._ranks.any_of([False])[0]:
            try:
                self._predicted(lambda: self._policy(*self._last))
            except torch.OutOfMemoryError:
                self._last = self._example
