"""Jobs of several tasks given out to the workers of a pool, which keep to the task that they have set up."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Message

POLL_S = 1.0


class OfTask(Protocol):
    """A job knows its task's number."""

    @property
    def task(self) -> int: ...


Job = TypeVar("Job", bound=OfTask)


class Roster(Generic[Job]):
    """Jobs that wait, and what the worker in each place does. `waiting` may be changed while it runs."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.waiting = deque(jobs)
        self._under_way: dict[int, Job] = {}
        self._stages: dict[int, int] = {}

    def run(self, pool: Pool, begin: Callable[[Job, int], Message], take: Callable[[Job, Event], None]) -> None:
        """Until nothing waits and nothing goes on. `begin` makes the request to the worker in a place, and `take` gets
        what became of it."""
        while self.waiting or self._under_way:
            for place in range(len(pool)):
                if place not in self._under_way and self.waiting:
                    job = self._under_way[place] = self._next_for(place)
                    pool.ask(place, begin(job, place))
            for event in pool.events(POLL_S):
                if event.place in self._under_way:
                    take(self._under_way.pop(event.place), event)

    def _next_for(self, place: int) -> Job:
        """Of the task that the worker has set up already, else of the one with the fewest workers: setting up takes
        seconds."""
        crowds = Counter(self._stages.values())
        mine = self._stages.get(place)
        chosen = min(self.waiting, key=lambda one: (one.task != mine, crowds[one.task]))
        self.waiting.remove(chosen)
        self._stages[place] = chosen.task
        return chosen
