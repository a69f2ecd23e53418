"""trackio: a local dashboard with wandb's interface."""

from collections.abc import Mapping
from typing import Any

from vlatrain.tracking.tracker import TrackedRun


class TrackioTracker:
    """A trackio run, whose name is the identity: by that it is found again."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        self._module: Any = trackio
        trackio.init(
            project=run.project,
            name=run.identity,
            config={**run.settings, "run_name": run.name},
            resume="allow",
            embed=False,
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._module.log(dict(numbers), step=step)

    def close(self, *, is_success: bool) -> None:
        self._module.finish()
