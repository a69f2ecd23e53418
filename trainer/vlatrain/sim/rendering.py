"""Makes pictures of recorded simulator states: many workers side by side, no physics, resumable."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlatrain.data.hdf5_states import Stated, States, read_states
from vlatrain.data.spool import begun, episode_file, episode_files
from vlatrain.errors import TrainerError
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Message
from vlatrain.sim.roster import Roster
from vlatrain.sim.spooling import Spooler, episode_in

MOST_LOSSES = 2  # simulators that one demonstration may take along


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderPlan:
    """What is to be rendered; a spool goes on only under the plan that it was begun with.

    `sources` are path, size and time of each file.
    """

    suite: str
    wrist: bool
    size: int
    jpeg_quality: int
    tasks: list[int]
    sources: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Demonstration `number` of a task, wherever it was recorded."""

    recorded: Stated
    number: int
    losses: int = 0

    @property
    def task(self) -> int:
        return self.recorded.task

    @property
    def file_name(self) -> str:
        return episode_file(self.task, self.number)


@dataclass(slots=True)
class Rendering:
    """Fills a spool folder. `tell` hears how far it is after every demonstration."""

    plan: RenderPlan
    instructions: Sequence[str]
    recorded: Sequence[Stated]
    folder: Path
    tell: Callable[[str], None]
    lost: int = 0
    _roster: Roster[Wanted] = field(init=False)
    _read: dict[Wanted, States] = field(default_factory=dict)
    """What is under way"""
    _rendered: int = 0
    _frames: int = 0
    _started: float = 0.0

    def run(self, pool: Pool) -> None:
        """Renders what is missing. Raises TrainerError for a demonstration that is of another scene."""
        self._roster = Roster(self._missing())
        self._started = time.monotonic()
        with Spooler() as spooler:
            roster = self._roster
            roster.run(
                pool,
                lambda wanted, place: self._request(pool, wanted, place),
                lambda wanted, event: self._take(pool, spooler, wanted, event),
            )

    @property
    def files(self) -> list[Path]:
        """The episodes on the disk, tasks in turn."""
        return episode_files(self.folder)

    def _missing(self) -> list[Wanted]:
        begun(self.folder, asdict(self.plan))
        missing = [one for one in numbered(self.recorded) if not (self.folder / one.file_name).is_file()]
        self._rendered = len(self.recorded) - len(missing)
        return missing

    def _request(self, pool: Pool, wanted: Wanted, place: int) -> Message:
        """Leaves the states in the worker's memory."""
        found = self._read[wanted] = read_states(wanted.recorded)
        count, coordinates = found.states.shape
        pool[place].frames.coordinates[:count, :coordinates] = found.states
        request = {
            "do": "render",
            "suite": self.plan.suite,
            "task": wanted.task,
            "jpeg_quality": self.plan.jpeg_quality,
        }
        return {**request, "frames": count, "coordinates": coordinates, "bodies": found.bodies}

    def _take(self, pool: Pool, spooler: Spooler, wanted: Wanted, event: Event) -> None:
        found = self._read.pop(wanted)
        if event.answer is None:
            self._lost(wanted, event.lost or "")
            return
        if "unfit" in event.answer:
            raise TrainerError(f"{wanted.recorded}: {event.answer['unfit']}; is it of {self.plan.suite}?")
        episode = episode_in(
            pool[event.place].frames,
            np.arange(len(found.actions)),
            found.actions,
            suite=self.plan.suite,
            instruction=self.instructions[wanted.task],
        )
        spooler.save(self.folder / wanted.file_name, episode, lambda: self._kept(len(episode)))

    def _lost(self, wanted: Wanted, reason: str) -> None:
        """Once more, in the fresh worker."""
        self.lost += 1
        if wanted.losses == MOST_LOSSES:
            raise TrainerError(f"{wanted.recorded}: simulator {reason}, {MOST_LOSSES + 1} times")
        self._roster.waiting.appendleft(Wanted(wanted.recorded, wanted.number, wanted.losses + 1))

    def _kept(self, frames: int) -> None:
        self._rendered += 1
        self._frames += frames
        took = time.monotonic() - self._started
        lost = f", {self.lost} simulators lost" if self.lost else ""
        self.tell(
            f"{self._rendered}/{len(self.recorded)} demonstrations{lost}, {self._frames / took:,.0f} frames a second"
        )

    def counts(self) -> dict[str, int]:
        """Demonstrations by instruction."""
        return dict(Counter(self.instructions[one.task] for one in sorted(self.recorded, key=lambda one: one.task)))


def numbered(recorded: Iterable[Stated]) -> list[Wanted]:
    """Counted from 0 in each task."""
    seen: Counter[int] = Counter()
    wanted = []
    for one in recorded:
        wanted.append(Wanted(one, seen[one.task]))
        seen[one.task] += 1
    return wanted
