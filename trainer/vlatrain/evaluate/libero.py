"""LIBERO as a place of evaluation: one simulator process a seat, lost ones replaced, their episodes played again."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.jpeg import pass_mark
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.venue import Ended, EvaluationError, Observation, Plan, Seen
from vlatrain.sim.finding import found_libero, render_environment
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Layout
from vlatrain.sim.workers import SimulatorError, WorkerProgram

STEP_LIMITS = {"libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400}
"""As published: actions of the policy, after the wait."""
WAIT_STEPS = 10
IMAGE_SIZE = 256
MOST_REPEATS = 2
SHARED_SCENES = 10
"""All tasks of libero_spatial have one scene, and of libero_goal; of libero_object and libero_10 each has its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiberoSuite:
    """One of LIBERO's suites, played by the published protocol."""

    name: str
    instructions: tuple[str, ...]
    program: WorkerProgram
    versions: Mapping[str, str]
    max_steps: int
    workers: int
    is_stored: bool = False
    """Whether simulators pass pictures through the JPEG: those whose pass is the trainer's own, to the last bit"""

    def open(self, batch_size: int, episodes: int) -> "LiberoVenue":
        """More workers than `batch_size` hide the starts of episodes. Raises EvaluationError where none can start."""
        try:
            return LiberoVenue(self, Pool(self.program, min(self.workers, episodes)))
        except SimulatorError as error:
            raise EvaluationError(str(error)) from error


def libero_suite(
    config: FinetuneConfig, name: str, *, local_rank: int = 0, local_ranks: int = 1, has_gpu: bool = False
) -> LiberoSuite:
    """Raises TrainerError, in one line, where LIBERO cannot be simulated here."""
    found = found_libero(config.sim_python)
    cores = max(1, len(os.sched_getaffinity(0)) // local_ranks)
    return LiberoSuite(
        name=name,
        instructions=found.instructions(name),
        program=WorkerProgram(
            argv=found.argv,
            layout=Layout(config.executed_actions, 2 if config.use_wrist_image else 1, IMAGE_SIZE),
            environments=(render_environment(os.environ, local_rank, has_gpu=has_gpu),),
            shared_scenes=SHARED_SCENES,
        ),
        versions=found.versions,
        max_steps=config.eval_max_steps or STEP_LIMITS[name],
        workers=config.sim_workers or min(config.eval_batch_size, cores),
        is_stored=found.jpeg == pass_mark(),
    )


@dataclass(slots=True)
class Game:
    """An episode under way in a place of the pool."""

    episode: Episode
    place: int
    steps: int = 0


@dataclass(slots=True)
class LiberoVenue:
    """A worker a seat. An episode whose worker is lost is played again from its start, twice at most, and counted."""

    suite: LiberoSuite
    pool: Pool
    _games: dict[int, Game] = field(default_factory=dict)
    _places: dict[Episode, int] = field(default_factory=dict)
    _stages: dict[int, int] = field(default_factory=dict)
    """The task that the worker in a place has set up"""
    _repeats: dict[Episode, int] = field(default_factory=dict)

    @property
    def seats(self) -> int:
        return len(self.pool)

    def preferred(self, waiting: Sequence[Episode]) -> Episode:
        """Of a task that a free worker has set up already, else of the one with the fewest workers."""
        crowds = Counter(self._stages.values())
        ready = {self._stages.get(place) for place in self._free}
        return min(waiting, key=lambda one: (one.task not in ready, crowds[one.task]))

    @property
    def _free(self) -> list[int]:
        return [place for place in range(len(self.pool)) if place not in self._games]

    def begin(self, episode: Episode) -> None:
        """In a worker that has the task set up, else in one that has set up nothing."""
        place = min(self._free, key=lambda one: (self._stages.get(one) != episode.task, one in self._stages))
        self._games[place], self._stages[place] = Game(episode, place), episode.task
        self._places[episode] = place
        self._ask_to_start(episode, place)

    def _ask_to_start(self, episode: Episode, place: int) -> None:
        request = {"do": "start", "suite": self.suite.name, "task": episode.task, "trial": episode.trial}
        self.pool.ask(place, {**request, "wait_steps": WAIT_STEPS, "stored": self.suite.is_stored})

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        """At most as many actions as the layout has frames. Of those beyond the step limit none is executed."""
        game = self._games[self._places[episode]]
        within = plan[: self.suite.max_steps - game.steps].tolist()
        self.pool.ask(game.place, {"do": "act", "plan": within, "followed": is_followed})

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        """Raises EvaluationError where the simulators cannot be started."""
        try:
            return [one for event in self.pool.events(timeout_s) for one in self._told(event)]
        except SimulatorError as error:
            raise EvaluationError(str(error)) from error

    def _told(self, event: Event) -> Iterator[Seen | Ended]:
        game, answer = self._games.get(event.place), event.answer
        if game is None:
            return
        if answer is None:
            yield from self._again(game, event.lost or "")
            return
        game.steps += answer["steps"]
        *within, last = range(max(1, answer["frames"]))
        for frame in within:
            yield Seen(game.episode, self._observation(event.place, frame), waits=False)
        if answer["done"] or game.steps == self.suite.max_steps:
            yield self._ended(game, Outcome(success=answer["done"], steps=game.steps))
        else:
            yield Seen(game.episode, self._observation(event.place, last), is_start=answer["steps"] == 0)

    def _again(self, game: Game, reason: str) -> Iterator[Ended]:
        """The fresh worker in the place plays the episode anew, or it is given up."""
        repeats = self._repeats[game.episode] = self._repeats.get(game.episode, 0) + 1
        if repeats > MOST_REPEATS:
            yield self._ended(game, Outcome(success=False, steps=game.steps, failure=f"simulator {reason}"))
            return
        game.steps = 0
        self._ask_to_start(game.episode, game.place)

    def _ended(self, game: Game, outcome: Outcome) -> Ended:
        del self._games[game.place], self._places[game.episode]
        repeats = min(self._repeats.get(game.episode, 0), MOST_REPEATS)
        return Ended(game.episode, replace(outcome, repeats=repeats))

    def _observation(self, place: int, frame: int) -> Observation:
        """The pictures as they lie in the shared memory, and a copy of the state."""
        frames = self.pool[place].frames
        wrist = frames.images[frame, 1] if frames.layout.cameras > 1 else None
        return Observation(frames.images[frame, 0], wrist, np.array(frames.states[frame]), self.suite.is_stored)

    def close(self) -> None:
        self.pool.close()
