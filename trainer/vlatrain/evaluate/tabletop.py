"""The embedded tabletop simulator as a place of evaluation: in this process, without any waiting."""

from collections.abc import Mapping, Sequence

import numpy as np

from vlatrain.errors import TrainerError
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.venue import Ended, Image, Observation, Plan, Seen
from vlatrain.sim.tabletop import SUITES, TabletopEnv, make_env


class TabletopSuite:
    """The tasks of the embedded simulator. Raises TrainerError for a name that is none of its suites."""

    versions: Mapping[str, str] = {}

    def __init__(self, name: str, max_steps: int | None) -> None:
        if name not in SUITES:
            raise TrainerError(f"eval_task_suite_name {name}: no such suite; there are {', '.join(SUITES)}")
        self.name = name
        self.instructions = tuple(task.instruction for task in SUITES[name])
        self._max_steps = max_steps

    def open(self, batch_size: int, episodes: int) -> "TabletopVenue":
        return TabletopVenue(self.name, self._max_steps, min(batch_size, episodes))


class TabletopVenue:
    """Tables cost nothing to open; what happens is known at once."""

    def __init__(self, suite: str, max_steps: int | None, seats: int) -> None:
        self.seats = seats
        self._suite = suite
        self._max_steps = max_steps
        self._tables: dict[Episode, TabletopEnv] = {}
        self._happened: list[Seen | Ended] = []

    def preferred(self, waiting: Sequence[Episode]) -> Episode:
        return waiting[0]

    def begin(self, episode: Episode) -> None:
        table = make_env(self._suite, episode.task, max_steps=self._max_steps)
        self._tables[episode] = table
        image, _ = table.reset(options={"init_state": episode.trial})
        self._happened.append(Seen(episode, _observed(image, table), is_start=True))

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        table = self._tables[episode]
        for left, action in zip(reversed(range(len(plan))), plan, strict=True):
            image, _, is_done, is_cut, info = table.step(action.astype(np.float32))
            if is_done or is_cut:
                self._tables.pop(episode).close()
                self._happened.append(Ended(episode, Outcome(success=bool(info["success"]), steps=table.steps)))
                return
            if is_followed or not left:
                self._happened.append(Seen(episode, _observed(image, table), waits=not left))

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        happened, self._happened = self._happened, []
        return happened

    def close(self) -> None:
        for table in self._tables.values():
            table.close()
        self._tables.clear()


def _observed(image: Image, table: TabletopEnv) -> Observation:
    return Observation(image, state=table.scene.hand.state())
