"""Early stop for programs that do not do it themselves, by the function that the trainer uses."""

from vlad.policy.early_stop import EarlyStop
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec
from vlad.records.wording import Wordings, worded
from vlad.supervise.read_log import early_stop_policy


def verdict(run: RunDirectory, spec: RunSpec, attempt: int) -> tuple[int, Wordings] | None:
    """The step and the reason to stop at, None for going on. Every evaluation counts, whoever has written it.

    An attempt that a user has resumed goes on until an evaluation of its own shows no improvement either.
    """
    policy, counter = early_stop_policy(spec), EarlyStop()
    measured = [evaluation for evaluation in run.read_evaluations() if evaluation.failure is None]
    for evaluation in measured:
        counter = counter.after(evaluation.success_rate, evaluation.step, policy)
    if not measured or measured[-1].attempt != attempt or not counter.is_exhausted(policy):
        return None
    return measured[-1].step, _in_words(counter)


def _in_words(counter: EarlyStop) -> Wordings:
    return (
        worded("early stop: {count} evaluations without improvement", count=counter.bad_evaluations),
        worded("best {rate} % at step {step}", rate=f"{counter.best:.1f}", step=counter.best_step),
    )
