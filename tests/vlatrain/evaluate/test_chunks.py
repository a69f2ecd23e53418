"""vlatrain.evaluate.chunks: what is executed of what was foretold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from vlatrain.evaluate.chunks import Chunks
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.rollout import roll_out
from vlatrain.evaluate.venue import Ended, Observation, Seen

ONE, OTHER = Episode(task=0, trial=0), Episode(task=0, trial=1)


def chunk(*motions: float, gripper: float = -1.0) -> NDArray[np.float64]:
    return np.array([[motion] * 6 + [gripper] for motion in motions])


def test_a_chunk_is_executed_to_its_end_before_the_policy_is_asked_again() -> None:
    chunks = Chunks()
    assert chunks.next(ONE) is None
    assert chunks.add(ONE, chunk(1, 2, 3))[0] == 1
    assert chunks.next(OTHER) is None
    assert [action[0] for _ in range(2) if (action := chunks.next(ONE)) is not None] == [2, 3]
    assert chunks.next(ONE) is None


def test_a_single_action_is_a_chunk_of_one() -> None:
    chunks = Chunks()
    assert chunks.add(ONE, chunk(5)[0])[0] == 5
    assert chunks.next(ONE) is None


def test_an_episode_that_begins_anew_executes_nothing_of_before() -> None:
    for ensembling in (None, 0.0):
        chunks = Chunks(ensembling)
        chunks.add(ONE, chunk(1, 2, 3))
        chunks.forget(ONE)
        assert chunks.next(ONE) is None
        assert chunks.add(ONE, chunk(7, 8, 9))[0] == 7


@pytest.mark.parametrize(("ensembling", "second"), [(0.0, (2 + 10) / 2), (np.log(3), (2 / 3 + 10) / (1 / 3 + 1))])
def test_ensembling_averages_what_all_chunks_foretold_for_this_step(ensembling: float, second: float) -> None:
    chunks = Chunks(ensembling)
    assert chunks.add(ONE, chunk(1, 2, 3))[0] == pytest.approx(1)
    assert chunks.next(ONE) is None
    assert chunks.add(ONE, chunk(10, 11, 12))[0] == pytest.approx(second)
    chunks.add(ONE, chunk(0, 0, 0))
    chunks.add(ONE, chunk(0, 0, 0))
    assert chunks.add(ONE, chunk(0, 0, 0))[0] == pytest.approx(0)  # those of five steps ago say nothing about now


def test_an_ensemble_opens_or_closes_the_gripper_by_majority() -> None:
    chunks = Chunks(0.0)
    given = [chunks.add(ONE, chunk(0, 0, 0, gripper=one))[6] for one in (-1.0, 1.0, 1.0, -1.0)]
    assert given == [-1.0, -1.0, 1.0, 1.0]


@dataclass(slots=True)
class CountingVenue:
    """One episode after the other, each over after seven steps; notes every action."""

    seats: int = 1
    actions: list[float] = field(default_factory=list)
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

    def act(self, episode: Episode, action: NDArray[np.float64]) -> None:
        self.actions.append(float(action[0]))
        self.steps += 1
        over = Ended(episode, Outcome(success=True, steps=self.steps))
        self.happened.append(over if self.steps == 7 else Seen(episode, self._seen()))

    def _seen(self) -> Observation:
        return Observation(np.full((2, 2, 3), self.steps, np.uint8))

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        happened, self.happened = self.happened, []
        return happened

    def close(self) -> None: ...


class Silent:
    def tick(self) -> None: ...
    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None: ...
    def ended(self, episode: Episode, outcome: Outcome) -> None: ...


def rolled_out(length: int | None, *, ensembling: float | None = None, in_step: bool = False) -> tuple[list[int], list]:  # type: ignore[type-arg]
    """The steps at which the policy was asked, and what was executed. It foretells the steps' own numbers."""
    asked: list[int] = []

    def policy(observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        now = int(observations[0].image[0, 0, 0])
        asked.append(now)
        foretold = chunk(*range(now, now + (length or 1)))
        return foretold[None] if length else foretold

    venue = CountingVenue()
    roll_out(policy, venue, [ONE, OTHER], 1, Silent(), in_step=in_step, ensembling=ensembling)
    return asked, venue.actions


@pytest.mark.parametrize("in_step", [False, True])
def test_a_rollout_asks_once_a_chunk_and_executes_every_step(in_step: bool) -> None:
    alone = rolled_out(None, in_step=in_step)
    assert alone == rolled_out(1, in_step=in_step)
    assert alone == ([*range(7)] * 2, [*range(7)] * 2)
    assert rolled_out(3, in_step=in_step) == ([0, 3, 6] * 2, [*range(7)] * 2)
    assert rolled_out(10, in_step=in_step) == ([0] * 2, [*range(7)] * 2)


def test_a_rollout_with_ensembling_asks_at_every_step() -> None:
    asked, executed = rolled_out(4, ensembling=0.1)
    assert asked == [*range(7)] * 2
    assert executed == pytest.approx([*range(7)] * 2)
