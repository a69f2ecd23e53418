"""A part of a suite: some of its tasks are played, under the suite's own protocol and with its own scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vlatrain.errors import TrainerError
from vlatrain.evaluate.results import Episode
from vlatrain.evaluate.venue import Ended, Plan, Seen, Suite, Venue


@dataclass(frozen=True, slots=True)
class SomeTasks:
    """The tasks `numbers` of `whole`, counted from 0 there; here they are numbered anew."""

    whole: Suite
    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """Tells that it is a part, wherever a result is shown: `libero_spatial_tasks_0_3`."""
        return f"{self.whole.name}_tasks_{'_'.join(map(str, self.numbers))}"

    @property
    def instructions(self) -> tuple[str, ...]:
        return tuple(self.whole.instructions[number] for number in self.numbers)

    @property
    def versions(self) -> Mapping[str, str]:
        return self.whole.versions

    def open(self, batch_size: int, episodes: int) -> "SomeTasksVenue":
        return SomeTasksVenue(self.whole.open(batch_size, episodes), self.numbers)


@dataclass(frozen=True, slots=True)
class SomeTasksVenue:
    """Translates the numbers of tasks."""

    venue: Venue
    numbers: tuple[int, ...]

    @property
    def seats(self) -> int:
        return self.venue.seats

    def preferred(self, waiting: Sequence[Episode]) -> Episode:
        return self._here(self.venue.preferred([self._there(episode) for episode in waiting]))

    def begin(self, episode: Episode) -> None:
        self.venue.begin(self._there(episode))

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        self.venue.act(self._there(episode), plan, is_followed=is_followed)

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        return [event._replace(episode=self._here(event.episode)) for event in self.venue.events(timeout_s)]

    def close(self) -> None:
        self.venue.close()

    def _there(self, episode: Episode) -> Episode:
        return replace(episode, task=self.numbers[episode.task])

    def _here(self, episode: Episode) -> Episode:
        return replace(episode, task=self.numbers.index(episode.task))


def restricted(suite: Suite, numbers: tuple[int, ...] | None) -> Suite:
    """The suite, or its tasks `numbers`. Raises TrainerError for a task that it does not have."""
    if numbers is None:
        return suite
    last = len(suite.instructions) - 1
    for number in numbers:
        if not 0 <= number <= last:
            raise TrainerError(f"eval_tasks {number}: {suite.name} has tasks 0 to {last}")
    return SomeTasks(suite, tuple(sorted(set(numbers))))
