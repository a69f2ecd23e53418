"""vlatrain.evaluate.rollout: every episode played once, whoever plays it, and given up when the run shall stop."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from vlatrain.distributed import Board, Ranks
from vlatrain.errors import TrainerError
from vlatrain.evaluate.results import Episode, EvaluationResult, Outcome, plan_episodes
from vlatrain.evaluate.rollout import evaluate, roll_out
from vlatrain.evaluate.suites import Ending, Image, open_suite

LENGTHS = (3, 1, 5)


@dataclass(slots=True)
class FakeSimulator:
    """Of a task: over after so many steps; succeeds where the trial is even and the action names the task."""

    task: int
    suite: "FakeSuite"
    image: Image = field(default_factory=lambda: np.zeros((2, 2, 3), np.uint8))
    trial: int = -1
    steps: int = 0

    def start(self, trial: int) -> None:
        self.trial = trial
        self.image = np.full((2, 2, 3), self.task, np.uint8)

    def act(self, action: NDArray[np.float64]) -> Ending:
        self.steps += 1
        is_over = self.steps == LENGTHS[self.task]
        return Ending(is_over, is_over and self.trial % 2 == 0 and action[0] == self.task)

    def close(self) -> None:
        self.suite.closed += 1


@dataclass(slots=True)
class FakeSuite:
    name: str = "fake"
    instructions: tuple[str, ...] = ("one", "two", "three")
    opened: int = 0
    closed: int = 0

    def open(self, task: int) -> FakeSimulator:
        self.opened += 1
        return FakeSimulator(task, self)


@dataclass(slots=True)
class SeeingPolicy:
    """Answers with what it sees: the task's number. Remembers the sizes of its batches."""

    sizes: list[int] = field(default_factory=list)

    def __call__(self, images: Sequence[Image], instructions: Sequence[str]) -> NDArray[np.float64]:
        self.sizes.append(len(images))
        assert len(images) == len(instructions)
        return np.array([[float(image[0, 0, 0])] * 7 for image in images])


def played(batch_size: int, suite: FakeSuite, policy: SeeingPolicy) -> dict[Episode, Outcome]:
    outcomes: dict[Episode, Outcome] = {}
    roll_out(policy, suite, plan_episodes(3, 4), batch_size, lambda: None, outcomes.__setitem__)
    return outcomes


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_plays_every_episode_to_its_end(batch_size: int) -> None:
    suite, policy = FakeSuite(), SeeingPolicy()
    outcomes = played(batch_size, suite, policy)
    assert outcomes == {
        episode: Outcome(success=episode.trial % 2 == 0, steps=LENGTHS[episode.task]) for episode in plan_episodes(3, 4)
    }
    assert max(policy.sizes) <= batch_size
    assert suite.opened == suite.closed == 12


def test_a_free_seat_takes_the_next_episode_at_once() -> None:
    policy = SeeingPolicy()
    played(3, FakeSuite(), policy)
    steps = sum(LENGTHS) * 4
    assert sum(policy.sizes) == steps
    assert policy.sizes.count(3) >= steps // 3 - max(LENGTHS)  # full but for the end


def test_simulators_are_closed_when_an_evaluation_is_given_up() -> None:
    suite = FakeSuite()

    class StopError(Exception):
        pass

    def tick() -> None:
        if suite.closed > 2:
            raise StopError

    with pytest.raises(StopError):
        roll_out(SeeingPolicy(), suite, plan_episodes(3, 4), 4, tick, lambda _episode, _outcome: None)
    assert 0 < suite.opened == suite.closed < 12


def evaluated(
    ranks: Ranks, wants_stop: Callable[[], bool] = lambda: False, progress: Callable[[int, int], None] = lambda *_: None
) -> EvaluationResult | None:
    return evaluate(
        SeeingPolicy(),
        FakeSuite(),
        trials=4,
        batch_size=2,
        ranks=ranks,
        board=Board(ranks, "evaluation"),
        wants_stop=wants_stop,
        progress=progress,
    )


def test_counts_successes_by_task_and_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    result = evaluated(Ranks(), progress=lambda done, total: told.append((done, total)))
    assert result is not None
    assert list(result.task_successes()) == [("one", 2), ("two", 2), ("three", 2)]
    assert told == [(done, 12) for done in range(13)]


def test_is_given_up_when_the_run_shall_stop() -> None:
    looks = iter([False, False, True])
    assert evaluated(Ranks(), wants_stop=lambda: next(looks)) is None


def test_a_rank_that_waits_for_the_others_hears_the_stop() -> None:
    """Two ranks of which the second never comes: the first waits on the board, not in a collective."""
    waiting = threading.Event()
    told_to_stop = threading.Event()
    ranks = Ranks(world_size=2)
    results: list[EvaluationResult | None] = []

    def wants_stop() -> bool:
        if Board(ranks, "evaluation").count("arrived") == 1:
            waiting.set()
        return told_to_stop.is_set()

    rank = threading.Thread(target=lambda: results.append(evaluated(ranks, wants_stop)), daemon=True)
    rank.start()
    assert waiting.wait(30)
    told_to_stop.set()
    rank.join(30)
    assert results == [None]


def test_the_board_lets_nobody_pass_before_all_have_come() -> None:
    ranks = Ranks(world_size=2)
    board = Board(ranks, "here")
    first = board.arrivals()
    assert next(first) == 1
    assert next(first) == 1
    assert list(Board(ranks, "here").arrivals()) == []
    assert list(first) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("libero_spatial", r"\[libero\] extra"),
        ("tabletop_old", "there are tabletop_base"),
        ("simpler", "names begin with tabletop_ or libero_"),
    ],
)
def test_a_suite_that_cannot_be_opened_is_refused(name: str, told: str) -> None:
    with pytest.raises(TrainerError, match=told):
        open_suite(name, None)


def test_the_tabletop_suite_plays_under_its_step_limit() -> None:
    suite = open_suite("tabletop_new", 3)
    assert len(suite.instructions) == 10
    simulator = suite.open(2)
    simulator.start(0)
    first = simulator.image
    endings = [simulator.act(np.array([0.5, 0, 0, 0, 0, 0, 1.0])) for _ in range(3)]
    assert [ending.is_over for ending in endings] == [False, False, True]
    assert not any(ending.success for ending in endings)
    assert not np.array_equal(first, simulator.image)
    simulator.start(0)
    assert np.array_equal(first, simulator.image)
