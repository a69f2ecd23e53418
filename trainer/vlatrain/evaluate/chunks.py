"""What is executed of the chunks of actions that a policy foretells: one after the other, or averages over chunks."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.actions import GRIPPER
from vlatrain.evaluate.results import Episode
from vlatrain.evaluate.venue import Action

Chunk = NDArray[np.float64]


@dataclass(slots=True)
class Chunks:
    """Of all episodes under way.

    Without `ensembling` a chunk [N, 7] is executed to its end before the policy is asked again. With it the policy is
    asked at each step, and what all chunks foretold for that step is averaged, a chunk's weight being
    exp(-ensembling x its age in steps). Source: ACT's temporal ensembling, which prefers the older ones instead.
    """

    ensembling: float | None = None
    _planned: dict[Episode, deque[Action]] = field(default_factory=dict)
    _foretold: dict[Episode, deque[Chunk]] = field(default_factory=dict)

    def next(self, episode: Episode) -> Action | None:
        """What was planned for this step, None where the policy must be asked."""
        planned = self._planned.get(episode)
        return planned.popleft() if planned else None

    def add(self, episode: Episode, chunk: Chunk) -> Action:
        """A new answer [N, 7] or [7], and the action that it leads to now."""
        chunk = chunk.reshape(-1, chunk.shape[-1])
        if self.ensembling is not None:
            return self._averaged(episode, chunk, self.ensembling)
        first, *rest = chunk
        self._planned[episode] = deque(rest)
        return np.asarray(first)

    def forget(self, episode: Episode) -> None:
        """It is over, or begins anew."""
        self._planned.pop(episode, None)
        self._foretold.pop(episode, None)

    def _averaged(self, episode: Episode, chunk: Chunk, ensembling: float) -> Action:
        """Motions are averaged; the gripper does what most of the weight says."""
        chunks = self._foretold.setdefault(episode, deque(maxlen=len(chunk)))
        chunks.append(chunk)
        ages = np.arange(len(chunks))[::-1]
        weights = np.exp(-ensembling * ages)
        now = np.stack([one[age] for one, age in zip(chunks, ages, strict=True)])
        action: Action = weights @ now / weights.sum()
        action[GRIPPER] = 1.0 if action[GRIPPER] > 0 else -1.0
        return action
