"""A pool of simulator workers: asked one by one, waited for together; a crashed or hung one is replaced."""

import os
import selectors
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from vlatrain.sim.protocol import Message
from vlatrain.sim.workers import SimulatorError, SimulatorWorker, WorkerLost, WorkerProgram

MOST_FALSE_STARTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What happened to the worker in one place: it answered, or it was `lost` and another one takes its place."""

    place: int
    answer: Message | None = None
    lost: str | None = None


class Pool:
    """`size` places with a worker each. Requests to workers that are not ready yet wait for them.

    `replaced` counts the workers lost; `shelf` are the memories in which they share compiled scenes, if they do. Raises
    SimulatorError where workers refuse, or will not even get ready.
    """

    def __init__(self, program: WorkerProgram, size: int) -> None:
        self.replaced = 0
        self.versions: dict[str, str] = {}
        self._program = program
        self._false_starts = 0
        self._selector = selectors.DefaultSelector()
        self._early: dict[int, Message] = {}
        self._workers: list[SimulatorWorker] = []
        scenes = min(program.shared_scenes, size)
        self.shelf = [os.memfd_create("vlatrain-scenes") for _ in range(1 + scenes if scenes else 0)]
        try:
            for place in range(size):
                self._workers.append(self._hired(place))
        except SimulatorError:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._workers)

    def __getitem__(self, place: int) -> SimulatorWorker:
        return self._workers[place]

    def ask(self, place: int, request: Message) -> None:
        """Asks the worker in a place, which must owe no answer."""
        worker = self._workers[place]
        if worker.is_ready:
            worker.ask(request)
        else:
            self._early[place] = request

    def events(self, timeout_s: float) -> list[Event]:
        """What has happened; waits up to `timeout_s` for something to happen."""
        until = time.monotonic() + timeout_s
        while True:
            happened = list(self._look(until))
            if happened or time.monotonic() >= until:
                return happened

    def _look(self, until: float) -> Iterator[Event]:
        nearest = min([until, *(worker.deadline for worker in self._workers)])
        for key, _ in self._selector.select(max(0.0, nearest - time.monotonic())):
            event = self._heard(key.data)
            if event is not None:
                yield event
        for place, worker in enumerate(self._workers):
            if time.monotonic() >= worker.deadline:
                yield self._replace(place, worker.hung())

    def _heard(self, place: int) -> Event | None:
        worker = self._workers[place]
        try:
            answer = worker.fetch()
        except WorkerLost as loss:
            return self._replace(place, loss)
        if answer["is"] != "ready":
            return Event(place=place, answer=answer)
        self._false_starts = 0
        self.versions = worker.versions
        if place in self._early:
            worker.ask(self._early.pop(place))
        return None

    def _replace(self, place: int, loss: WorkerLost) -> Event:
        """A fresh worker in the place; it starts from nothing, so whatever was asked is lost."""
        old = self._workers[place]
        if not old.is_ready:
            self._false_starts += 1
            if self._false_starts >= MOST_FALSE_STARTS:
                raise SimulatorError(f"simulators do not start: {loss}")
        self._dismiss(old)
        self._early.pop(place, None)
        self._workers[place] = self._hired(place)
        self.replaced += 1
        return Event(place=place, lost=str(loss))

    def _hired(self, place: int) -> SimulatorWorker:
        worker = SimulatorWorker(self._program, place, self.shelf)
        self._selector.register(worker.channel, selectors.EVENT_READ, place)
        return worker

    def _dismiss(self, worker: SimulatorWorker) -> None:
        self._selector.unregister(worker.channel)
        worker.end()

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._workers:
            self._dismiss(worker)
        self._workers.clear()
        while self.shelf:
            os.close(self.shelf.pop())
        self._selector.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
