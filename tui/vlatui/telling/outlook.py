"""What lies ahead of a run: its end, the next evaluation, the next checkpoint, and what a kill would cost. Pure."""

from dataclasses import dataclass

from vlad.policy.eta import estimate, only_evaluates
from vlad.records import figures
from vlad.records.summary import Summary


@dataclass(frozen=True, slots=True)
class Due:
    """Something that comes after `steps` more steps, in about `seconds` (None = not known yet)."""

    steps: int
    seconds: float | None


def to_end(summary: Summary, now: float) -> str:
    """The time to the last step in words; "> 3m 10s" where more is to come whose duration is not known yet."""
    left = estimate(summary, now)
    if left is None:
        return figures.UNKNOWN
    return ("> " if left.is_lower_bound else "") + figures.duration(left.remaining_s)


def to_next(summary: Summary, every: int | None) -> Due | None:
    """The next multiple of `every` steps; None where there is none before the end."""
    if not every or summary.step is None:
        return None
    steps = every - summary.step % every
    if summary.max_steps is not None and summary.step + steps > summary.max_steps:
        return None
    return Due(steps, None if summary.typical_step_s is None else steps * summary.typical_step_s)


def progress(summary: Summary) -> float | None:
    """The part of the steps that is done, from 0 to 1; of a program that only evaluates, of its episodes."""
    if only_evaluates(summary) and summary.phase_total:
        return min(1.0, (summary.phase_done or 0) / summary.phase_total)
    if summary.step is None or not summary.max_steps:
        return None
    return min(1.0, max(0.0, summary.step / summary.max_steps))


def steps_at_risk(summary: Summary) -> int:
    """Steps since the last checkpoint: what is trained again when the run is killed now."""
    saved = summary.last_checkpoint.step if summary.last_checkpoint else summary.start_step
    return max(0, (summary.step or 0) - saved)
