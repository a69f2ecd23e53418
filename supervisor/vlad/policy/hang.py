"""When a run that tells nothing counts as hung. Pure."""

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from vlad.records import figures
from vlad.records.progress import Phase
from vlad.records.spec import HangPolicy, Kind
from vlad.records.wording import Wording, worded

if TYPE_CHECKING:  # every supervisor asks how long a silence may be, few have to read what is usual
    from vlad.records.summary import Summary

TYPICAL_STEPS = 30
TYPICAL_PHASES = 3
WARN_AFTER = 0.5


class Silence(Enum):
    """How a silence is to be taken."""

    USUAL = "usual"
    LONG = "long"
    HUNG = "hung"


class Usual(msgspec.Struct, frozen=True):
    """What a run should have told within `bound_s`, and how that is known."""

    missing: str
    wording: Wording | None
    bound_s: float

    @property
    def usual(self) -> str:
        return self.wording.english if self.wording else ""


def usual_of(policy: HangPolicy, kind: Kind, summary: "Summary") -> Usual:
    """What is usual for a run that stands where `summary` says.

    In training the bound is learned from the run's own step times, unless `after_s` sets it; loading, evaluating and
    saving have one of their own. A program that is not our trainer is judged by its log and never sooner than that.
    """
    if kind is Kind.COMMAND:
        return _of_command(policy, summary)
    if summary.phase in (Phase.TRAINING, None) and summary.step_at is not None:
        return _of_training(policy, summary.typical_step_s)
    phase = summary.phase or Phase.LOADING
    took_s = {Phase.EVALUATING: summary.evaluating_s, Phase.SAVING: summary.saving_s}.get(phase)
    bound_s = max(policy.other_s, TYPICAL_PHASES * (took_s or 0.0))
    told = None if took_s is None else worded(f"{phase} takes {{time}} in all", time=_short(took_s))
    return Usual(f"no sign of life while {phase}", told, bound_s)


def _of_training(policy: HangPolicy, step_s: float | None) -> Usual:
    bound_s = max(policy.least_s, TYPICAL_STEPS * (step_s or 0.0)) if policy.after_s is None else policy.after_s
    return Usual("no step", _of_steps(step_s), bound_s)


def _of_command(policy: HangPolicy, summary: "Summary") -> Usual:
    step_s = summary.typical_step_s
    bound_s = max(policy.other_s, TYPICAL_STEPS * (step_s or 0.0)) if policy.after_s is None else policy.after_s
    return Usual("nothing in its log", _of_steps(step_s), bound_s)


def _of_steps(step_s: float | None) -> Wording | None:
    return None if step_s is None else worded("a step takes {time}", time=_short(step_s))


def least_bound_s(policy: HangPolicy, kind: Kind) -> float:
    """No silence below this is worth a look at what is usual."""
    if policy.after_s is not None:
        return min(policy.after_s, policy.other_s)
    return policy.other_s if kind is Kind.COMMAND else min(policy.least_s, policy.other_s)


def silence(quiet_s: float, bound_s: float) -> Silence:
    """A silence of half the bound is worth telling, one of all of it is a hang."""
    if quiet_s >= bound_s:
        return Silence.HUNG
    return Silence.LONG if quiet_s >= WARN_AFTER * bound_s else Silence.USUAL


def _short(seconds: float) -> str:
    """3 s, 0.04 s, 2m 05s."""
    return f"{seconds:.2g} s" if seconds < 10 else figures.duration(seconds)
