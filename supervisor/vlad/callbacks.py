"""Callbacks that report training by the HF Trainer and by Lightning; neither library is loaded before it is used."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlad.records.interval import success_interval
from vlad.records.progress import CheckpointSaved, Evaluation, Finished, Plan, Reason, RequestDone, Step
from vlad.records.requests import Action
from vlad.report import Reporter

RATE_NAMES = ("eval_success_rate", "success_rate", "val_success_rate", "val/success_rate")
LOSSES = ("loss", "train_loss")
RATES = ("learning_rate", "lr")
FIELDS = {*LOSSES, *RATES}


def hf_callback(reporter: Reporter | None = None) -> Any:
    """A TrainerCallback: `Trainer(..., callbacks=[vlad.callbacks.hf_callback()])`.

    With one process it also does what `vlad save` and `vlad evaluate` ask; several would have to agree on it first.
    """
    from transformers import TrainerCallback

    class HFReports(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                told.progress(
                    Plan(
                        at=time.time(), start_step=state.global_step, max_steps=state.max_steps, ranks=args.world_size,
                        save_steps=int(state.save_steps) or None, eval_every_steps=int(state.eval_steps or 0) or None,
                    )
                )  # fmt: skip

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
            if state.is_world_process_zero and logs and "loss" in logs:
                told.progress(step_line(state.global_step, logs))

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
            if state.is_world_process_zero:
                _report_evaluation(told, state.global_step, metrics or {})

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                path = Path(args.output_dir, f"checkpoint-{state.global_step}").absolute()
                told.progress(CheckpointSaved(at=time.time(), step=state.global_step, path=str(path)), durable=True)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            for request in told.requests() if args.world_size == 1 else ():
                control.should_training_stop |= request.action in (Action.STOP, Action.STOP_NOW)
                control.should_save |= request.action in (Action.STOP, Action.SAVE)
                control.should_evaluate |= request.action is Action.EVALUATE
                told.progress(RequestDone(at=time.time(), request_id=request.id))

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                told.progress(_finished(state.global_step, state.max_steps), durable=True)

    told = reporter or Reporter.from_environment()
    return HFReports()


def lightning_callback(reporter: Reporter | None = None, every_steps: int = 10) -> Any:
    """A Lightning Callback: `Trainer(callbacks=[vlad.callbacks.lightning_callback()])`; reports every so many steps.

    A logged metric named success_rate (a fraction up to 1, or percent) makes a validation an evaluation.
    """
    Callback = _lightning_module().Callback

    class LightningReports(Callback):  # type: ignore[misc,valid-type,unused-ignore]
        def on_train_start(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero:
                most = _known_steps(trainer)
                told.progress(
                    Plan(at=time.time(), start_step=trainer.global_step, max_steps=most, ranks=trainer.world_size)
                )

        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            if trainer.is_global_zero and trainer.global_step % every_steps == 0 and trainer.global_step != self.last:
                self.last = trainer.global_step
                told.progress(step_line(trainer.global_step, _numbers(trainer.callback_metrics)))

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero and not trainer.sanity_checking:
                _report_evaluation(told, trainer.global_step, _numbers(trainer.callback_metrics))

        def on_train_end(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero:
                told.progress(_finished(trainer.global_step, _known_steps(trainer)), durable=True)

        last = -1

    told = reporter or Reporter.from_environment()
    return LightningReports()


def step_line(step: int, logs: Mapping[str, Any]) -> Step:
    """An update from a trainer's own names; other numbers are metrics."""
    numbers = _numbers(logs)
    metrics = {name: value for name, value in numbers.items() if name not in FIELDS and name != "epoch"}
    return Step(
        at=time.time(), step=step, epoch=numbers.get("epoch"), metrics=metrics,
        loss=next((numbers[name] for name in LOSSES if name in numbers), None),
        learning_rate=next((numbers[name] for name in RATES if name in numbers), None),
    )  # fmt: skip


def _report_evaluation(reporter: Reporter, step: int, metrics: Mapping[str, Any]) -> None:
    rate = next((float(metrics[name]) for name in RATE_NAMES if name in metrics), None)
    if rate is None:
        return
    rate = 100 * rate if rate <= 1 else rate
    episodes = int(metrics.get("eval_episodes", metrics.get("episodes", 0)))
    low, high = success_interval(rate, episodes)
    reporter.evaluation(
        Evaluation(
            at=time.time(), step=step, suite=str(metrics.get("suite", "evaluation")), episodes=episodes,
            successes=round(rate * episodes / 100), success_rate=rate, low=low, high=high,
        )
    )  # fmt: skip


def _finished(step: int, max_steps: int | None) -> Finished:
    """Ending before the last step is no reason of ours to name: the exit code tells how it was."""
    return Finished(at=time.time(), step=step, reason=Reason.MAX_STEPS if max_steps == step else Reason.COMMAND_DONE)


def _known_steps(trainer: Any) -> int | None:
    most = trainer.estimated_stepping_batches
    return int(most) if 0 < most < float("inf") else None


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Of numbers, and of tensors and arrays that hold one; what is infinite or none is left out."""
    found = {}
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if abs(number) < float("inf"):
            found[name] = number
    return found


def _lightning_module() -> Any:
    from importlib import import_module
    from importlib.util import find_spec

    return import_module("lightning.pytorch" if find_spec("lightning") else "pytorch_lightning")
