"""What training carries from step to step, as one frozen value that a checkpoint holds."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec
from vlad.policy.early_stop import EarlyStop, EarlyStopPolicy

NEVER = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainState:
    """Where training stands between two steps.

    `step` optimizer updates are done; `position` samples were taken from the order, over all ranks; `evaluated_step` is
    the step of the last scheduled evaluation, so that a resumed run does a due one exactly once; evaluations of the
    `pending` steps go on elsewhere.
    """

    step: int = 0
    position: int = 0
    evaluated_step: int = NEVER
    early_stop: EarlyStop = field(default_factory=EarlyStop)
    pending: tuple[int, ...] = ()

    @property
    def best_step(self) -> int | None:
        """The step of the best evaluation, None before the first."""
        return self.early_stop.best_step if math.isfinite(self.early_stop.best) else None

    @property
    def is_best(self) -> bool:
        """Whether this very step was evaluated and is the best so far."""
        return self.evaluated_step == self.step == self.best_step

    def stepped(self, samples: int) -> "TrainState":
        """After one more update on `samples` samples."""
        return replace(self, step=self.step + 1, position=self.position + samples)

    def evaluated(self, success_rate: float, policy: EarlyStopPolicy, high: float | None = None) -> "TrainState":
        """After this step's scheduled evaluation; its rate and the upper end of its interval in percent."""
        return replace(
            self, evaluated_step=self.step, early_stop=self.early_stop.after(success_rate, self.step, policy, high)
        )

    def without_evaluation(self) -> "TrainState":
        """After this step's scheduled evaluation has failed: it is not tried again, and moves no counter."""
        return replace(self, evaluated_step=self.step)

    def with_pending(self) -> "TrainState":
        """After this step's evaluation was begun elsewhere."""
        return replace(self, evaluated_step=self.step, pending=(*self.pending, self.step))

    def joined(
        self, step: int, success_rate: float, policy: EarlyStopPolicy, high: float | None = None
    ) -> "TrainState":
        """After the evaluation of an earlier step has arrived."""
        return replace(self, early_stop=self.early_stop.after(success_rate, step, policy, high))

    def without_pending(self, step: int) -> "TrainState":
        return replace(self, pending=tuple(one for one in self.pending if one != step))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: no best yet is null."""
        best = self.early_stop.best
        return {
            **asdict(self),
            "early_stop": {**msgspec.to_builtins(self.early_stop), "best": best if math.isfinite(best) else None},
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "TrainState":
        """Raises KeyError or TypeError for what `to_dict` did not make."""
        early_stop = dict(saved["early_stop"])
        if early_stop["best"] is None:
            del early_stop["best"]
        pending = tuple(saved.get("pending", ()))
        return cls(**{**saved, "early_stop": EarlyStop(**early_stop), "pending": pending})


def is_due(step: int, every: int, last: int) -> bool:
    """Whether what happens `every` so many steps, and at the `last`, happens at `step`."""
    return step > 0 and (step % every == 0 or step == last)


def learning_rate(
    step: int, *, peak: float, lowest: float, warmup_steps: int, max_steps: int, is_cosine: bool
) -> float:
    """The rate of the update that follows `step` finished ones: linear warm-up, then constant or a cosine."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if not is_cosine:
        return peak
    share = min(1.0, (step - warmup_steps) / max(1, max_steps - warmup_steps))
    return lowest + (peak - lowest) * (1 + math.cos(math.pi * share)) / 2
