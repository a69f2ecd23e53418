"""vlatrain.evaluate.chunks: what is executed of what was foretold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from vlatrain.evaluate.chunks import Chunks
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.rollout import roll_out
from vlatrain.evaluate.venue import Ended, Observation, Plan, Seen

ONE, OTHER = Episode(task=0, trial=0), Episode(task=0, trial=1)


def chunk(*motions: float, gripper: float = -1.0) -> NDArray[np.float64]:
    return np.array([[motion] * 6 + [gripper] for motion in motions])


def test_a_chunk_is_executed_to_its_end_before_the_policy_is_asked_again() -> None:
    foretold = chunk(1, 2, 3)
    assert np.array_equal(Chunks().add(ONE, foretold), foretold)


def test_a_single_action_is_a_chunk_of_one() -> None:
    assert np.array_equal(Chunks().add(ONE, chunk(5)[0]), chunk(5))


def test_an_episode_that_begins_anew_executes_nothing_of_before() -> None:
    chunks = Chunks(0.0)
    chunks.add(ONE, chunk(1, 2, 3))
    chunks.forget(ONE)
    assert np.array_equal(chunks.add(ONE, chunk(7, 8, 9)), chunk(7))


@pytest.mark.parametrize(("ensembling", "second"), [(0.0, (2 + 10) / 2), (np.log(3), (2 / 3 + 10) / (1 / 3 + 1))])
def test_ensembling_averages_what_all_chunks_foretold_for_this_step(ensembling: float, second: float) -> None:
    chunks = Chunks(ensembling)
    assert chunks.add(ONE, chunk(1, 2, 3)) == pytest.approx(chunk(1))
    assert chunks.add(OTHER, chunk(4, 5, 6)) == pytest.approx(chunk(4))
    assert chunks.add(ONE, chunk(10, 11, 12)) == pytest.approx(chunk(second))
    chunks.add(ONE, chunk(0, 0, 0))
    chunks.add(ONE, chunk(0, 0, 0))
    assert chunks.add(ONE, chunk(0, 0, 0)) == pytest.approx(chunk(0))  # those of five steps ago say nothing about now


def test_an_ensemble_opens_or_closes_the_gripper_by_majority() -> None:
    chunks = Chunks(0.0)
    given = [chunks.add(ONE, chunk(0, 0, 0, gripper=one))[0, 6] for one in (-1.0, 1.0, 1.0, -1.0)]
    assert given == [-1.0, -1.0, 1.0, 1.0]


@dataclass(slots=True)
class CountingVenue:
    """One episode after the other, each over after seven steps; notes every action, and every plan's length."""

    seats: int = 1
    actions: list[float] = field(default_factory=list)
    plans: list[int] = field(default_factory=list)
    happened: list[Seen | Ended] = field(default_factory=list)
    steps: int = 0
    instructions: tuple[str, ...] = ("go",)
    name: str = "counting"
    versions: dict[str, str] = field(default_factory=dict)

    def open(self, batch_size: int, episodes: int) -> "CountingVenue":
        return self

    def preferred(self, waiting: Sequence[Episode]) -> Episode:
        return waiting[0]

    def begin(self, episode: Episode) -> None:
        self.steps = 0
        self.happened.append(Seen(episode, self._seen(), is_start=True))

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        self.plans.append(len(plan))
        for left, action in zip(reversed(range(len(plan))), plan, strict=True):
            self.actions.append(float(action[0]))
            self.steps += 1
            if self.steps == 7:
                self.happened.append(Ended(episode, Outcome(success=True, steps=self.steps)))
                return
            if is_followed or not left:
                self.happened.append(Seen(episode, self._seen(), waits=not left))

    def _seen(self) -> Observation:
        return Observation(np.full((2, 2, 3), self.steps, np.uint8))

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        happened, self.happened = self.happened, []
        return happened

    def close(self) -> None: ...


@dataclass(slots=True)
class Viewer:
    """Follows some episodes; keeps the step of all that it has seen."""

    followed: tuple[Episode, ...] = ()
    saw: list[int] = field(default_factory=list)

    def tick(self) -> None: ...
    def follows(self, episode: Episode) -> bool:
        return episode in self.followed

    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None:
        self.saw.append(int(observation.image[0, 0, 0]))

    def ended(self, episode: Episode, outcome: Outcome) -> None: ...


def rolled_out(
    length: int | None, *, ensembling: float | None = None, in_step: bool = False, viewer: Viewer | None = None
) -> tuple[list[int], CountingVenue]:
    """The steps at which the policy was asked, and the venue of two episodes. It foretells the steps' own numbers."""
    asked: list[int] = []

    def policy(observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        now = int(observations[0].image[0, 0, 0])
        asked.append(now)
        foretold = chunk(*range(now, now + (length or 1)))
        return foretold[None] if length else foretold

    venue = CountingVenue()
    roll_out(policy, venue, [ONE, OTHER], 1, viewer or Viewer(), in_step=in_step, ensembling=ensembling)
    return asked, venue


@pytest.mark.parametrize("in_step", [False, True])
@pytest.mark.parametrize(
    ("length", "steps"),
    [(None, range(7)), (1, range(7)), (3, [0, 3, 6]), (10, [0])],
    ids=["single actions", "chunks of one", "chunks of three", "longer than the episode"],
)
def test_a_rollout_asks_once_a_chunk_and_executes_every_step(
    in_step: bool, length: int | None, steps: Sequence[int]
) -> None:
    asked, venue = rolled_out(length, in_step=in_step)
    assert asked == [*steps] * 2
    assert venue.plans == [length or 1] * len(asked)
    assert venue.actions == [*range(7)] * 2


def test_all_of_an_episode_that_is_followed_is_seen_and_else_what_the_policy_sees() -> None:
    viewer = Viewer(followed=(OTHER,))
    asked, venue = rolled_out(3, viewer=viewer)
    assert viewer.saw == [0, 3, 6, *range(7)]
    assert (asked, venue.actions) == ([0, 3, 6] * 2, [*range(7)] * 2)


def test_a_rollout_with_ensembling_asks_at_every_step() -> None:
    asked, venue = rolled_out(4, ensembling=0.1)
    assert asked == [*range(7)] * 2
    assert venue.actions == pytest.approx([*range(7)] * 2)
