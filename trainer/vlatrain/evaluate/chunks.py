"""What is executed of the chunks of actions that a policy foretells: one after the other, or averages over chunks."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from vlatrain.data.actions import GRIPPER
from vlatrain.evaluate.results import Episode
from vlatrain.evaluate.venue import Plan


@dataclass(slots=True)
class Chunks:
    """Of all episodes under way.

    Without `ensembling` a chunk [N, 7] is executed to its end before the policy is asked again. With it the policy is
    asked at each step, and what all chunks foretold for that step is averaged, a chunk's weight being
    exp(-ensembling x its age in steps). Source: ACT's temporal ensembling, which prefers the older ones instead.
    """

    ensembling: float | None = None
    _foretold: dict[Episode, deque[Plan]] = field(default_factory=dict)

    def add(self, episode: Episode, chunk: Plan) -> Plan:
        """A new answer [N, 7] or [7], and what is executed before the next one."""
        chunk = chunk.reshape(-1, chunk.shape[-1])
        return chunk if self.ensembling is None else self._averaged(episode, chunk, self.ensembling)

    def forget(self, episode: Episode) -> None:
        """It is over, or begins anew."""
        self._foretold.pop(episode, None)

    def _averaged(self, episode: Episode, chunk: Plan, ensembling: float) -> Plan:
        """Motions are averaged; the gripper does what most of the weight says."""
        chunks = self._foretold.setdefault(episode, deque(maxlen=len(chunk)))
        chunks.append(chunk)
        ages = np.arange(len(chunks))[::-1]
        weights = np.exp(-ensembling * ages)
        now = np.stack([one[age] for one, age in zip(chunks, ages, strict=True)])
        action = weights @ now / weights.sum()
        action[GRIPPER] = 1.0 if action[GRIPPER] > 0 else -1.0
        return np.asarray(action[None])
