"""When to stop because the success rate no longer improves: one counter, used by the trainer and for foreign logs."""

import math

import msgspec


class EarlyStopPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Stop after `patience` evaluations in a row without improvement.

    An improvement beats the best by more than `min_delta` percentage points; with `beats_interval` it lies above the
    95 % interval of the last evaluation that counted as one, so that a lucky evaluation does not go on for ever.
    """

    patience: int = 5
    min_delta: float = 0.1
    enabled: bool = True
    beats_interval: bool = False

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience {self.patience}: it must be at least 1")
        if not 0 <= self.min_delta <= 100:
            raise ValueError(f"min_delta {self.min_delta}: it must be from 0 to 100 percentage points")


class EarlyStop(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier evaluations left behind. Rates are in percent; `best` is minus infinity before the first.

    `bar` is the upper end of the interval of the last improvement.
    """

    best: float = -math.inf
    best_step: int = 0
    bad_evaluations: int = 0
    bar: float | None = None

    def after(self, success_rate: float, step: int, policy: EarlyStopPolicy, high: float | None = None) -> "EarlyStop":
        """The counter after an evaluation at `step`, whose interval ends at `high`.

        Where intervals decide, the best is still the highest rate: that is the checkpoint to keep. Raises ValueError
        for what is no percentage.
        """
        if not 0 <= success_rate <= 100:
            raise ValueError(f"success rate {success_rate} at step {step}: it must be from 0 to 100 percent")
        if self.is_improved_by(success_rate, policy):
            return EarlyStop(best=success_rate, best_step=step, bar=high if policy.beats_interval else None)
        bad = msgspec.structs.replace(self, bad_evaluations=self.bad_evaluations + 1)
        if policy.beats_interval and success_rate > self.best:
            return msgspec.structs.replace(bad, best=success_rate, best_step=step)
        return bad

    def is_improved_by(self, success_rate: float, policy: EarlyStopPolicy) -> bool:
        """Whether an evaluation counts as an improvement; the first always does."""
        if policy.beats_interval and self.bar is not None:
            return success_rate > self.bar
        return success_rate > self.best + policy.min_delta

    def is_exhausted(self, policy: EarlyStopPolicy) -> bool:
        """Whether to stop now."""
        return policy.enabled and self.bad_evaluations >= policy.patience


def is_below_resolution(min_delta: float, episodes: int) -> bool:
    """Whether one episode more or less already counts as a change larger than a `min_delta` that was set."""
    return 0 < min_delta < 100 / episodes
