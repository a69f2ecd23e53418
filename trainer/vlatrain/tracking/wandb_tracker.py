"""Weights & Biases."""

from collections.abc import Mapping
from typing import Any

from vlatrain.tracking.tracker import TrackedRun

PATIENCE_S = 60


class WandbTracker:
    """A wandb run with the identity as its id, so that every resume goes on in it.

    `step` is a number among others, and the axis of all: wandb's own steps only ever grow, while a run that went back
    to a checkpoint tells some of them again.
    """

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        run.folder.mkdir(parents=True, exist_ok=True)
        self._run: Any = wandb.init(
            project=run.project,
            entity=run.entity,
            name=run.name,
            id=run.identity,
            resume="allow",
            dir=str(run.folder),
            config=run.settings,
            # the console has a log of its own; a network that is down must not hold the end of the run up
            settings=wandb.Settings(console="off", init_timeout=PATIENCE_S, finish_timeout=PATIENCE_S),
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log({"step": step, **numbers})

    def close(self, *, is_success: bool) -> None:
        self._run.finish(exit_code=0 if is_success else 1)
