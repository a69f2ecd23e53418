"""What a run's own reports tell about it now: the fold of progress.jsonl and evaluations.jsonl."""

from collections.abc import Collection

import msgspec

from vlad.records.progress import (
    CheckpointSaved,
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    ProgressLine,
    Reason,
    Step,
    Warned,
    WarningOver,
)

STEP_SMOOTHING = 0.1  # weight of the newest duration: about the last 20 steps count
PHASE_SMOOTHING = 0.5  # evaluations and saves are few
LOSS_HISTORY = 240
KEPT_WARNINGS = 20


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The last step told at an earlier moment, and what a step usually took by then."""

    at: float
    step: int
    typical_step_s: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Live numbers of a run. None = not reported (yet). Rates in percent, durations in seconds, `_at` in Unix seconds.

    `typical_step_s`, `evaluating_s` and `saving_s` are smoothed durations, the inputs of an ETA; `phase_first_done` is
    how much was done when the phase was first told of; steps are timed from the `mark` on; `loss_history` holds the
    newest losses for a small plot; `passing` are those of the `warnings` that can be over, by what they are about.
    """

    attempt: int = 0
    phase: Phase | None = None
    phase_detail: str = ""
    phase_since: float | None = None
    phase_done: int | None = None
    phase_total: int | None = None
    phase_first_done: int = 0
    phase_of_step: int | None = None
    reported_at: float | None = None

    start_step: int = 0
    max_steps: int | None = None
    save_steps: int | None = None
    eval_every_steps: int | None = None
    evaluates_beside: bool = False
    ranks: int | None = None
    suite: str | None = None
    samples_per_step: int | None = None

    step: int | None = None
    step_at: float | None = None
    mark: Mark | None = None
    loss: float | None = None
    learning_rate: float | None = None
    samples_per_s: float | None = None
    step_s: float | None = None
    memory_bytes: int | None = None
    epoch: float | None = None
    metrics: dict[str, float] = {}
    loss_history: tuple[float, ...] = ()

    typical_step_s: float | None = None
    evaluating_s: float | None = None
    saving_s: float | None = None

    last_evaluation: Evaluation | None = None
    best: float | None = None
    best_step: int | None = None
    bad_evaluations: int = 0
    patience: int | None = None

    last_checkpoint: CheckpointSaved | None = None
    best_checkpoint: CheckpointSaved | None = None
    warnings: tuple[str, ...] = ()
    passing: dict[str, str] = {}
    finished: bool = False
    finished_reason: Reason | None = None
    stopped: bool = False


def fold_progress(summary: Summary, line: ProgressLine) -> Summary:
    """The summary after one more progress line."""
    if line.attempt > summary.attempt:
        summary = _new_attempt(summary, line.attempt, line.at)
    return msgspec.structs.replace(_after(summary, line), reported_at=line.at)


def fold_evaluation(summary: Summary, evaluation: Evaluation) -> Summary:
    """The summary after one more evaluation. A failed one changes neither best nor the early-stop counter."""
    replace = msgspec.structs.replace
    patience = evaluation.patience if evaluation.patience is not None else summary.patience
    summary = replace(summary, last_evaluation=evaluation, patience=patience)
    if evaluation.failure is not None:
        return summary
    best, best_step = evaluation.best, evaluation.best_step
    if best is None:
        is_best = summary.best is None or evaluation.success_rate > summary.best
        best, best_step = (evaluation.success_rate, evaluation.step) if is_best else (summary.best, summary.best_step)
    return replace(
        summary,
        best=best,
        best_step=best_step,
        bad_evaluations=evaluation.bad_evaluations,
        evaluating_s=evaluation.duration_s if summary.evaluating_s is None else summary.evaluating_s,
    )


def _new_attempt(summary: Summary, attempt: int, at: float) -> Summary:
    """A new launch loads again; what was trained, saved and evaluated before stays."""
    return msgspec.structs.replace(
        without_passing(summary), attempt=attempt, phase=Phase.LOADING, phase_detail="",
        phase_since=at, phase_done=None, phase_total=None, phase_of_step=None, step_at=None, finished=False,
        finished_reason=None, stopped=False,
    )  # fmt: skip


def of_attempt(summary: Summary, attempt: int) -> Summary:
    """The summary in an attempt that may have told nothing yet: without what an earlier one did when it died."""
    if summary.attempt >= attempt:
        return summary
    return msgspec.structs.replace(
        summary, phase=None, phase_detail="", phase_since=None, phase_done=None, phase_total=None,
        phase_of_step=None, step_at=None,
    )  # fmt: skip


def _after(summary: Summary, line: ProgressLine) -> Summary:
    match line:
        case Plan():
            return _planned(summary, line)
        case PhaseChange():
            return _phase_changed(summary, line)
        case Step():
            return _stepped(summary, line)
        case CheckpointSaved():
            best = line if line.is_best else summary.best_checkpoint
            last = line if line.is_new else summary.last_checkpoint
            return msgspec.structs.replace(summary, last_checkpoint=last, best_checkpoint=best)
        case Warned():
            return _warned(summary, line)
        case WarningOver():
            return _without_warnings(summary, {line.about})
        case Finished():
            return msgspec.structs.replace(
                without_passing(summary), step=line.step, finished=True,
                finished_reason=line.reason, stopped=line.stopped, phase=None,
            )  # fmt: skip
        case _:
            return summary


def _warned(summary: Summary, line: Warned) -> Summary:
    summary = _without_warnings(summary, {line.about})
    others = tuple(message for message in summary.warnings if message != line.message)
    passing = {**summary.passing, line.about: line.message} if line.about else summary.passing
    return msgspec.structs.replace(summary, warnings=(*others, line.message)[-KEPT_WARNINGS:], passing=passing)


def without_passing(summary: Summary) -> Summary:
    """Without the warnings that could be over."""
    return _without_warnings(summary, summary.passing)


def _without_warnings(summary: Summary, about: Collection[str]) -> Summary:
    """Without what was told about these passing things."""
    over = {message for name, message in summary.passing.items() if name in about}
    return msgspec.structs.replace(
        summary,
        warnings=tuple(message for message in summary.warnings if message not in over),
        passing={name: message for name, message in summary.passing.items() if name not in about},
    )


def _planned(summary: Summary, plan: Plan) -> Summary:
    return msgspec.structs.replace(
        summary, start_step=plan.start_step, step=plan.start_step, max_steps=plan.max_steps,
        save_steps=plan.save_steps, eval_every_steps=plan.eval_every_steps, ranks=plan.ranks,
        evaluates_beside=plan.evaluates_beside,
        patience=summary.patience if plan.patience is None else plan.patience,
        suite=plan.suite, samples_per_step=plan.samples_per_step,
    )  # fmt: skip


def _phase_changed(summary: Summary, line: PhaseChange) -> Summary:
    is_another = (line.phase, line.of_step) != (summary.phase, summary.phase_of_step)
    first_done = line.done or 0 if is_another else summary.phase_first_done
    return msgspec.structs.replace(
        _entered(summary, line.phase, line.at, line.of_step), phase_first_done=first_done,
        phase_detail=line.detail, phase_done=line.done, phase_total=line.total,
        step=summary.step if line.step is None else line.step,
    )  # fmt: skip


def _stepped(summary: Summary, line: Step) -> Summary:
    """Programs that tell no step time are timed by when their lines were read, where nothing lay between.

    Lines that were read at once share the time since those before them.
    """
    summary = _entered(summary, Phase.TRAINING, line.at)
    mark = summary.mark if line.at == summary.step_at else _mark(summary)
    step_s, usual_s = line.step_s, summary.typical_step_s
    if step_s is None and mark is not None and line.step > mark.step and line.at > mark.at:
        step_s, usual_s = (line.at - mark.at) / (line.step - mark.step), mark.typical_step_s
    history = summary.loss_history if line.loss is None else (*summary.loss_history[1 - LOSS_HISTORY :], line.loss)
    return msgspec.structs.replace(
        summary, step=line.step, step_at=line.at, mark=mark, loss=line.loss, learning_rate=line.learning_rate,
        samples_per_s=line.samples_per_s, step_s=step_s, memory_bytes=line.memory_bytes, epoch=line.epoch,
        metrics=line.metrics, loss_history=history, typical_step_s=_smoothed(usual_s, step_s),
    )  # fmt: skip


def _mark(summary: Summary) -> Mark | None:
    if summary.step_at is None or summary.step is None:
        return None
    return Mark(at=summary.step_at, step=summary.step, typical_step_s=summary.typical_step_s)


def _entered(summary: Summary, phase: Phase, at: float, of_step: int | None = None) -> Summary:
    """The summary in `phase`; how long saving or evaluating took is remembered when it is left."""
    if (phase, of_step) == (summary.phase, summary.phase_of_step):
        return summary
    took = None if summary.phase_since is None else at - summary.phase_since
    saving_s, evaluating_s = summary.saving_s, summary.evaluating_s
    if summary.phase is Phase.SAVING:
        saving_s = _smoothed(saving_s, took, PHASE_SMOOTHING)
    if summary.phase is Phase.EVALUATING:
        evaluating_s = _smoothed(evaluating_s, took, PHASE_SMOOTHING)
    return msgspec.structs.replace(
        summary, phase=phase, phase_since=at, phase_detail="", phase_done=None, phase_total=None,
        phase_of_step=of_step, step_at=None, saving_s=saving_s, evaluating_s=evaluating_s,
    )  # fmt: skip


def _smoothed(old: float | None, new: float | None, weight: float = STEP_SMOOTHING) -> float | None:
    if new is None or new < 0:
        return old
    return new if old is None else old + weight * (new - old)


EMPTY = Summary()
