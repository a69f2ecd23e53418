"""What a run tells: progress and evaluation records for the supervisor, and the log lines of the original script."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from vlad.policy.early_stop import EarlyStopPolicy
from vlad.records.progress import (
    CheckpointBegun,
    CheckpointSaved,
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    ProgressLine,
    Reason,
    Step,
    TaskEvaluated,
    Warned,
    WarningOver,
)
from vlad.report import Reporter

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.console import say
from vlatrain.distributed import Ranks
from vlatrain.fast.levers import Levers
from vlatrain.method.live import method_line
from vlatrain.tracking.trackers import Trackers
from vlatrain.train.checkpoint import Saved
from vlatrain.train.state import TrainState


class Reports:
    """Speaks on the first rank and is silent on the others."""

    def __init__(self, reporter: Reporter, ranks: Ranks) -> None:
        self.reporter = reporter
        self._speaks = ranks.is_first
        self.trackers: Trackers | None = None
        self._phase: Phase | None = None
        self._done: int | None = None
        self._detail = ""
        self._passing: set[str] = set()
        self._timed_steps = 0
        self._timed_s = 0.0

    def phase(
        self, phase: Phase, step: int | None = None, done: int | None = None, total: int | None = None,
        detail: str = "", of_step: int | None = None,
    ) -> None:  # fmt: skip
        """The run entered a phase or a part of one, or got on within one that counts; nothing where it did neither."""
        if (phase, done, detail) != (self._phase, self._done, self._detail):
            self._phase, self._done, self._detail = phase, done, detail
            line = PhaseChange(
                at=time.time(), phase=phase, step=step, done=done, total=total, detail=detail, of_step=of_step
            )
            self._tell(line)

    def plan(self, config: FinetuneConfig, ranks: Ranks, state: TrainState, samples_per_step: int) -> None:
        is_evaluated = config.enable_periodic_eval
        self._tell(
            Plan(
                at=time.time(),
                start_step=state.step,
                max_steps=config.max_steps,
                save_steps=config.save_steps,
                eval_every_steps=config.eval_every_steps if is_evaluated else None,
                patience=config.early_stopping_patience if is_evaluated and config.early_stopping_enabled else None,
                ranks=ranks.world_size,
                suite=config.eval_task_suite_name if is_evaluated else None,
                evaluates_beside=is_evaluated and config.eval_on is not None,
                samples_per_step=samples_per_step,
            )
        )

    def levers(self, levers: Levers) -> None:
        """What makes the steps fast, and what cannot."""
        self._print(f"[speed] {levers}")

    def profile(self, line: str) -> None:
        """Where the time of a step goes."""
        self._print(f"[profile] {line}")

    def started(self, parts: Sequence[tuple[str, float]]) -> None:
        """The first step is made; names and seconds of what came before it, and of itself."""
        told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts)
        self._print(f"[start] {sum(seconds for _, seconds in parts):.1f} s to the end of the first step: {told}")

    def took(self, duration_s: float) -> None:
        """One more step was made; its time counts into the next logged line."""
        self._timed_steps += 1
        self._timed_s += duration_s

    def step(self, step: int, rate: float, means: Mapping[str, float], samples_per_step: int, epoch: float) -> None:
        """A logged step; `means` cover the steps since the last one."""
        step_s = self._timed_s / max(1, self._timed_steps)
        self._timed_steps, self._timed_s = 0, 0.0
        others = {name: value for name, value in means.items() if name != "loss"}
        proprio = f" proprio={means['proprio_loss']:.4f}" if "proprio_loss" in means else ""
        self._print(
            f"[train] step={step} lr={rate:.6g} loss={means['loss']:.6f} acc={means['action_accuracy']:.4f} "
            f"l1={means['l1_loss']:.4f}{proprio} sec/step={step_s:.3f}"
        )
        if "beta" in means:
            self._print(method_line(step, rate, means["loss"], step_s, means))
        line = Step(
            at=time.time(),
            step=step,
            loss=means["loss"],
            learning_rate=rate,
            samples_per_s=samples_per_step / step_s if step_s else None,
            step_s=step_s,
            memory_bytes=torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
            epoch=epoch,
            metrics=others,
        )
        self._tell(line)
        self._track(step, step_numbers(line))
        self._phase, self._done = Phase.TRAINING, None

    def checkpoint_begun(self, step: int, path: Path) -> None:
        """Before anything of it is there: whoever finds it whole later knows that it is this run's."""
        self._tell(CheckpointBegun(at=time.time(), step=step, path=str(path)), durable=True)

    def checkpoint(
        self,
        saved: Saved,
        *,
        is_best: bool,
        is_new: bool = True,
        stall_s: float | None = None,
        write_s: float | None = None,
    ) -> None:
        """It is on the disk. Called in the thread that writes, so that the word is out before the next step ends."""
        took = "" if stall_s is None or write_s is None else f" stall={1000 * stall_s:.1f} ms write={write_s:.2f} s"
        kind = "save" if is_new else "best"
        self._print(f"[{kind}] step={saved.step} {saved.path}" + (" (best)" if is_best and is_new else "") + took)
        line = CheckpointSaved(
            at=time.time(),
            step=saved.step,
            path=str(saved.path),
            size_bytes=saved.size_bytes,
            is_best=is_best,
            is_new=is_new,
            stall_s=stall_s,
            write_s=write_s,
        )
        self._tell(line, durable=True)

    def stalled(self, step: int, stall_s: float) -> None:
        """So long training has waited for a checkpoint."""
        self._track(step, {"time/checkpoint_stall_s": stall_s})

    def task(self, step: int, suite: str, task: str, successes: int, episodes: int) -> None:
        """All episodes of a task were played, in an evaluation that goes on."""
        self._print(f"[eval] step {step} {task}: {successes}/{episodes}")
        told = TaskEvaluated(at=time.time(), step=step, suite=suite, task=task, successes=successes, episodes=episodes)
        self._tell(told)

    def evaluation(self, evaluation: Evaluation, policy: EarlyStopPolicy, *, is_scheduled: bool) -> None:
        self._print(evaluation_line(evaluation))
        if is_scheduled and policy.enabled and evaluation.failure is None:
            self._print(early_stop_line(evaluation, policy))
        if self._speaks:
            self.reporter.evaluation(evaluation)
        self._track(evaluation.step, evaluation_numbers(evaluation))

    def has_told(self, evaluation: Evaluation) -> bool:
        """Whether an attempt before this one has told of it already."""
        return self._speaks and self.reporter.has_told(evaluation)

    def warn(self, message: str, about: str = "") -> None:
        """What it is `about` may pass: a later warning about the same replaces this one, `is_over` takes it back."""
        if self._speaks:
            say(f"warning: {message}", sys.stderr)
        self._passing |= {about} if about else set()
        self._tell(Warned(at=time.time(), message=message, about=about))

    def is_over(self, about: str) -> None:
        """What was warned about is no longer so; nothing where nobody was warned."""
        if about in self._passing:
            self._passing.remove(about)
            self._tell(WarningOver(at=time.time(), about=about))

    def finished(self, step: int, reason: Reason | None) -> None:
        """The run ends; without a reason it was asked to."""
        if reason is Reason.EARLY_STOP:
            self._print(f"Early stopping at step {step}")
        self._print(
            f"[train] stopped at step {step}" if reason is None else f"[train] finished at step {step} ({reason})"
        )
        self._tell(Finished(at=time.time(), step=step, reason=reason, stopped=reason is None), durable=True)

    def _track(self, step: int, numbers: Mapping[str, float]) -> None:
        if self.trackers is not None and numbers:
            self.trackers.log(step, numbers)

    def _print(self, line: str) -> None:
        if self._speaks:
            say(line)

    def _tell(self, line: ProgressLine, *, durable: bool = False) -> None:
        if self._speaks:
            self.reporter.progress(line, durable=durable)


def step_numbers(line: Step) -> dict[str, float]:
    """A logged step as experiment trackers show it."""
    known = {
        "train/loss": line.loss,
        "train/learning_rate": line.learning_rate,
        "train/epoch": line.epoch,
        "time/step_s": line.step_s,
        "time/samples_per_s": line.samples_per_s,
        "memory/gpu_bytes": line.memory_bytes,
        **{f"train/{name}": value for name, value in line.metrics.items()},
    }
    return {name: value for name, value in known.items() if value is not None}


def evaluation_numbers(evaluation: Evaluation) -> dict[str, float]:
    """An evaluation as experiment trackers show it, in percent; one that failed is no measurement."""
    if evaluation.failure is not None:
        return {}
    known = {name: getattr(evaluation, name) for name in ("success_rate", "low", "high", "best", "bad_evaluations")}
    return {f"eval/{name}": value for name, value in known.items() if value is not None}


def evaluation_line(evaluation: Evaluation) -> str:
    """The result in one line; a failed evaluation has no rate."""
    if evaluation.failure is not None:
        return f"[eval] step {evaluation.step} failed: {evaluation.failure}"
    interval = f"95% {evaluation.low:.1f} to {evaluation.high:.1f}"
    return (
        f"[eval] step {evaluation.step} success_rate={evaluation.success_rate:.2f}% "
        f"({evaluation.successes}/{evaluation.episodes}, {interval})"
    )


def early_stop_line(evaluation: Evaluation, policy: EarlyStopPolicy) -> str:
    """The original script's words for what an evaluation did to the counter."""
    if evaluation.improved:
        return f"[early-stop] improvement: best {evaluation.success_rate:.2f}% at step {evaluation.step}"
    best = f"best {evaluation.best:.2f}% at step {evaluation.best_step}"
    return f"[early-stop] no improvement ({evaluation.bad_evaluations}/{policy.patience}), {best}"
