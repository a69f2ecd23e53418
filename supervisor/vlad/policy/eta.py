"""When a run will have done its steps, from how long its steps, evaluations and saves take. Pure."""

from dataclasses import dataclass

from vlad.records.progress import Phase
from vlad.records.summary import Summary

TELLING_S = 1.0
"""That it takes longer than less than this says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """Seconds until max_steps; more where evaluations lie ahead whose duration is not known yet, or that go on beside.

    Early stopping may end the run sooner.
    """

    remaining_s: float
    is_lower_bound: bool = False


def estimate(summary: Summary, now: float) -> Eta | None:
    """What is left at Unix time `now`; None where the run does not tell enough, or has ended.

    A program that makes no steps is done when its evaluation is.
    """
    if only_evaluates(summary) and summary.phase_done and summary.phase_total:
        return Eta(remaining_s=_rest_of_phase_s(summary, now))
    if summary.finished or summary.step is None or summary.max_steps is None or summary.typical_step_s is None:
        return None
    steps_s = max(0, summary.max_steps - summary.step) * summary.typical_step_s
    evaluations = _times_ahead(summary.step, summary.max_steps, summary.eval_every_steps)
    waited_for = 0 if summary.evaluates_beside else evaluations
    saves = _times_ahead(summary.step, summary.max_steps, summary.save_steps)
    ahead_s = waited_for * (summary.evaluating_s or 0.0) + saves * (summary.saving_s or 0.0)
    is_unknown = bool(evaluations) and (summary.evaluates_beside or summary.evaluating_s is None)
    is_unknown |= summary.phase_of_step not in (None, summary.step)  # the later ones are waited for, too
    remaining_s = steps_s + ahead_s + _rest_of_phase_s(summary, now)
    return None if is_unknown and remaining_s < TELLING_S else Eta(remaining_s=remaining_s, is_lower_bound=is_unknown)


def only_evaluates(summary: Summary) -> bool:
    """Whether the program makes no steps of its own: it is an evaluation."""
    makes_steps = summary.max_steps is not None or summary.typical_step_s is not None or summary.loss is not None
    return summary.phase is Phase.EVALUATING and not makes_steps


def _times_ahead(step: int, max_steps: int, every: int | None) -> int:
    """How often something that happens every so many steps happens after `step`, up to and with the last."""
    return max(0, max_steps // every - step // every) if every else 0


def _rest_of_phase_s(summary: Summary, now: float) -> float:
    """What is left of an evaluation or a save that is under way; by its own count where it has one."""
    if summary.phase not in (Phase.EVALUATING, Phase.SAVING) or summary.phase_since is None:
        return 0.0
    elapsed_s = max(0.0, now - summary.phase_since)
    done = (summary.phase_done or 0) - summary.phase_first_done
    if done > 0 and summary.phase_total:
        return elapsed_s * max(0, summary.phase_total - (summary.phase_done or 0)) / done
    usual_s = summary.evaluating_s if summary.phase is Phase.EVALUATING else summary.saving_s
    return max(0.0, (usual_s or 0.0) - elapsed_s)
