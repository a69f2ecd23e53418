"""vlatrain.evaluate.rollout: every episode played once, whoever plays it, and given up when the run shall stop."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from patience import PATIENCE_S, until_ended
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.distributed import Board, Ranks
from vlatrain.errors import TrainerError
from vlatrain.evaluate.evaluation import evaluate
from vlatrain.evaluate.results import Episode, EvaluationResult, Outcome, plan_episodes
from vlatrain.evaluate.rollout import Round, roll_out
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.venue import Ended, Image, Observation, Plan, Seen, Venue

LENGTHS = (3, 1, 5)


@dataclass(slots=True)
class FakeVenue:
    """Episodes are over after their task's steps; it succeeds if its trial is even and the action names it."""

    suite: "FakeSuite"
    seats: int
    steps: dict[Episode, int] = field(default_factory=dict)
    happened: list[Seen | Ended] = field(default_factory=list)

    def preferred(self, waiting: Sequence[Episode]) -> Episode:
        return waiting[0]

    def begin(self, episode: Episode) -> None:
        self.suite.begun += 1
        self.steps[episode] = 0
        self.happened.append(Seen(episode, seen(episode.task), is_start=True))

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        [action] = plan
        self.steps[episode] += 1
        if self.steps[episode] < LENGTHS[episode.task]:
            self.happened.append(Seen(episode, seen(episode.task)))
            return
        success = episode.trial % 2 == 0 and action[0] == episode.task
        self.happened.append(Ended(episode, Outcome(success=success, steps=self.steps[episode])))

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        happened, self.happened = self.happened, []
        return happened

    def close(self) -> None:
        self.suite.closed += 1


def seen(number: int) -> Observation:
    return Observation(np.full((2, 2, 3), number, np.uint8))


@dataclass(slots=True)
class FakeSuite:
    name: str = "fake"
    instructions: tuple[str, ...] = ("one", "two", "three")
    versions: dict[str, str] = field(default_factory=lambda: {"mujoco": "0"})
    begun: int = 0
    closed: int = 0

    def open(self, batch_size: int, episodes: int) -> FakeVenue:
        return FakeVenue(self, min(batch_size, episodes))


@dataclass(slots=True)
class SeeingPolicy:
    """Answers with what it sees: the task's number. Remembers the sizes of its batches."""

    sizes: list[int] = field(default_factory=list)

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        self.sizes.append(len(observations))
        assert len(observations) == len(instructions)
        return np.array([[float(one.image[0, 0, 0])] * 7 for one in observations])


@dataclass(slots=True)
class Notes:
    """Notes what a rollout tells; `on_tick` may raise."""

    on_tick: Callable[[], None] = lambda: None
    outcomes: dict[Episode, Outcome] = field(default_factory=dict)

    def tick(self) -> None:
        self.on_tick()

    def follows(self, episode: Episode) -> bool:
        return False

    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None:
        assert episode not in self.outcomes

    def ended(self, episode: Episode, outcome: Outcome) -> None:
        self.outcomes[episode] = outcome


def played(batch_size: int, suite: FakeSuite, policy: SeeingPolicy) -> dict[Episode, Outcome]:
    notes = Notes()
    roll_out(policy, suite, plan_episodes(3, 4), batch_size, notes)
    return notes.outcomes


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_plays_every_episode_to_its_end(batch_size: int) -> None:
    suite, policy = FakeSuite(), SeeingPolicy()
    outcomes = played(batch_size, suite, policy)
    assert outcomes == {
        episode: Outcome(success=episode.trial % 2 == 0, steps=LENGTHS[episode.task]) for episode in plan_episodes(3, 4)
    }
    assert max(policy.sizes) <= batch_size
    assert (suite.begun, suite.closed) == (12, 1)


def test_a_free_seat_takes_the_next_episode_at_once() -> None:
    policy = SeeingPolicy()
    played(3, FakeSuite(), policy)
    steps = sum(LENGTHS) * 4
    assert sum(policy.sizes) == steps
    assert policy.sizes.count(3) >= steps // 3 - max(LENGTHS)  # full but for the end


def test_a_free_seat_has_its_next_episode_before_the_policy_is_asked() -> None:
    suite, notes, under_way = FakeSuite(), Notes(), []
    seeing = SeeingPolicy()

    def policy(observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        if suite.begun < 12:
            under_way.append(suite.begun - len(notes.outcomes))
        return seeing(observations, instructions)

    roll_out(policy, suite, plan_episodes(3, 4), 3, notes)
    assert set(under_way) == {3}


def test_simulators_are_closed_when_an_evaluation_is_given_up() -> None:
    suite = FakeSuite()

    class StopError(Exception):
        pass

    def tick() -> None:
        if suite.begun > 5:
            raise StopError

    with pytest.raises(StopError):
        roll_out(SeeingPolicy(), suite, plan_episodes(3, 4), 4, Notes(tick))
    assert 0 < suite.begun < 12
    assert suite.closed == 1


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
    assert list(result.by_task()) == [("one", 2, 4), ("two", 2, 4), ("three", 2, 4)]
    assert result.versions == {"mujoco": "0"}
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
    assert waiting.wait(PATIENCE_S)
    told_to_stop.set()
    until_ended(rank)
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
        ("tabletop_old", "there are tabletop_base"),
        ("simpler", "names begin with tabletop_ or libero_"),
    ],
)
def test_a_suite_that_cannot_be_opened_is_refused(name: str, told: str) -> None:
    with pytest.raises(TrainerError, match=told):
        open_suite(FinetuneConfig(), name)


def test_the_tabletop_suite_plays_under_its_step_limit() -> None:
    suite = open_suite(FinetuneConfig(eval_max_steps=3), "tabletop_new")
    assert len(suite.instructions) == 10
    episode = Episode(task=2, trial=0)
    with closing(suite.open(4, 1)) as venue:
        venue.begin(episode)
        first = image_of(venue)
        for _ in range(2):
            venue.act(episode, np.array([[0.5, 0, 0, 0, 0, 0, 1.0]]), is_followed=False)
            assert not np.array_equal(first, image_of(venue))
        venue.act(episode, np.zeros((1, 7)), is_followed=False)
        assert venue.events(0) == [Ended(episode, Outcome(success=False, steps=3))]
        venue.begin(episode)
        assert np.array_equal(first, image_of(venue))


def image_of(venue: Venue) -> Image:
    [event] = venue.events(0)
    assert isinstance(event, Seen)
    return event.observation.image


@pytest.mark.parametrize(
    ("how", "enough"),
    [({}, 2), ({"in_turns": True}, 4), ({"in_step": True}, 5)],
    ids=["half of what moves", "all that move", "also what starts"],
)
def test_the_policy_answers_when_enough_episodes_wait(how: dict[str, bool], enough: int) -> None:
    under_way = [Episode(task=0, trial=trial) for trial in range(5)]
    now = Round(deque(), under_way=set(under_way), moving=set(under_way[:4]))
    for number, episode in enumerate(under_way, 1):
        now.ready[episode] = Observation(np.zeros((1, 1, 3), np.uint8))
        batch = now.due(8, **{"in_step": False, "in_turns": False, **how})
        assert batch == (under_way[:number] if number >= enough else [])
