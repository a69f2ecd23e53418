"""All trackers of a run behind one: whatever fails is left out with one warning, and training goes on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, assert_never

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import run_folder, run_name
from vlatrain.tracking.choice import TrackerName, chosen, how_to_install, is_installed
from vlatrain.tracking.tensorboard_tracker import TensorboardTracker
from vlatrain.tracking.tracker import TrackedRun, Tracker
from vlatrain.tracking.trackio_tracker import TrackioTracker
from vlatrain.tracking.wandb_tracker import WandbTracker

Warn = Callable[[str], None]
Open = Callable[[TrackedRun], Tracker]


@dataclass(slots=True)
class Trackers:
    """Those that still work. Used by the first rank only."""

    warn: Warn
    working: dict[str, Tracker] = field(default_factory=dict)

    def open(self, name: str, run: TrackedRun, opener: Open) -> None:
        try:
            self.working[name] = opener(run)
        except Exception as error:  # whatever a tracker raises, such as a lack of network, concerns it alone
            self.warn(f"{name} does not track this run: {told(error)}")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._each("fails, and is left out from here on", lambda tracker: tracker.log(step, numbers))

    def close(self, *, is_success: bool) -> None:
        self._each("could not end well", lambda tracker: tracker.close(is_success=is_success))
        self.working.clear()

    def _each(self, trouble: str, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.working.items()):
            try:
                act(tracker)
            except Exception as error:  # as above
                del self.working[name]
                self.warn(f"{name} {trouble}: {told(error)}")


@contextmanager
def tracked(config: FinetuneConfig, identity: str, start_step: int, warn: Warn) -> Iterator[Trackers]:
    """Opens what the configuration asks for; closes it at the end, as failed where an exception passes."""
    trackers = Trackers(warn)
    run = tracked_run(config, identity, start_step)
    for name in installed(chosen(config), warn):
        trackers.open(name, run, opener(name))
    is_success = False
    try:
        yield trackers
        is_success = True
    finally:
        trackers.close(is_success=is_success)


def installed(names: Sequence[TrackerName], warn: Warn) -> Iterator[TrackerName]:
    """Those that are; the others are told."""
    for name in names:
        if is_installed(name):
            yield name
        else:
            warn(f"{name} does not track this run: it is not installed ({how_to_install(name)})")


def opener(name: TrackerName) -> Open:
    match name:
        case TrackerName.WANDB:
            return WandbTracker
        case TrackerName.TENSORBOARD:
            return TensorboardTracker
        case TrackerName.TRACKIO:
            return TrackioTracker
        case _:
            assert_never(name)


def tracked_run(config: FinetuneConfig, identity: str, start_step: int) -> TrackedRun:
    return TrackedRun(
        identity=identity,
        name=run_name(config),
        project=config.wandb_project,
        entity=config.wandb_entity,
        folder=run_folder(config),
        start_step=start_step,
        settings={one.name: plain(getattr(config, one.name)) for one in fields(config)},
    )


def plain(value: Any) -> Any:
    """JSON's types, for those who show settings in a table."""
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, (Path, tuple)) else value


def told(error: Exception) -> str:
    """One line of an exception."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
