"""One evaluation: episodes shared among ranks that never wait for each other in a collective; the result for all."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from vlad.records import failpoints

from vlatrain.configuration.simulation import Videos
from vlatrain.distributed import Board, Ranks
from vlatrain.evaluate.results import Episode, EvaluationResult, Outcome, plan_episodes
from vlatrain.evaluate.rollout import Policy, roll_out
from vlatrain.evaluate.together import Together
from vlatrain.evaluate.venue import EvaluationError, Observation, Suite
from vlatrain.evaluate.videos import Films

STOP = "stop"
FINISHED = "finished"
UNKNOWN = "its rank could not go on"


class Abandoned(Exception):
    """The evaluation was given up because the run shall stop."""


@dataclass(slots=True)
class Shrinking:
    """A policy whose batches become smaller when the GPU runs out of memory, and stay so."""

    policy: Policy
    largest: int
    remark: str | None = None

    def __call__(self, observations: Any, instructions: Any) -> Any:
        """Raises EvaluationError where a single episode does not fit."""
        while True:
            try:
                return self._in_parts(observations, instructions)
            except torch.OutOfMemoryError as error:
                self._shrink(min(self.largest, len(observations)), str(error))

    def _in_parts(self, observations: Any, instructions: Any) -> Any:
        size = self.largest
        parts = [
            self.policy(observations[first : first + size], instructions[first : first + size])
            for first in range(0, len(observations), size)
        ]
        return [action for part in parts for action in part]

    def _shrink(self, tried: int, reason: str) -> None:
        if tried == 1:
            raise EvaluationError(f"out of GPU memory with a single episode: {reason.splitlines()[0]}")
        self.largest = tried // 2
        self.remark = f"the GPU's memory holds no batch of {tried} episodes: {self.largest} at a time (eval_batch_size)"
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@dataclass(slots=True)
class Tally:
    """What one rank knows of the episodes; a watcher of its rollout."""

    episodes: list[Episode]
    board: Board
    films: Films
    wants_stop: Callable[[], bool]
    progress: Callable[[int, int], None]
    trials: int
    on_task: Callable[[int, int], None]
    counts: torch.Tensor = field(init=False)
    """[episodes, 4]: whether it was played here, success, steps, repeats."""
    reasons: list[str] = field(default_factory=list)
    _untold: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.counts = torch.zeros(len(self.episodes), 4, dtype=torch.int64)
        self._untold = {episode.task for episode in self.episodes}

    def tick(self) -> None:
        failpoints.reach("in_evaluation")
        failpoints.reach(f"in_{self.board.name.replace('-', '_')}")
        if self.wants_stop():
            self.board.raise_flag(STOP)
        if self.board.is_raised(STOP):
            raise Abandoned

    def follows(self, episode: Episode) -> bool:
        return self.films.follows(episode)

    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None:
        self.films.see(episode, observation.image, is_start=is_start)

    def ended(self, episode: Episode, outcome: Outcome) -> None:
        self.films.end(episode, outcome)
        if outcome.failure is not None:
            self.reasons.append(outcome.failure)
        row = [int(outcome.failure is None), int(outcome.success), outcome.steps, outcome.repeats]
        self.counts[self.episodes.index(episode)] = torch.tensor(row)
        self.board.count(f"won-{episode.task}", int(outcome.success))
        self.board.count(f"over-{episode.task}", 1)
        self.progress(self.board.count(FINISHED, 1), len(self.episodes))
        self._tell_tasks()

    def _tell_tasks(self) -> None:
        """Tells of every task whose episodes all ranks have played."""
        for task in sorted(self._untold):
            if self.board.count(f"over-{task}") == self.trials:
                self._untold.discard(task)
                self.on_task(task, self.board.count(f"won-{task}"))

    def wait_for_others(self) -> None:
        """Until all ranks have arrived; by looking, so that no wait can time out."""
        for _ in self.board.arrivals():
            self.tick()
            self.progress(self.board.count(FINISHED), len(self.episodes))
            self._tell_tasks()
        self._tell_tasks()


def evaluate(
    policy: Policy,
    suite: Suite,
    *,
    trials: int,
    batch_size: int,
    ranks: Ranks,
    board: Board,
    wants_stop: Callable[[], bool],
    progress: Callable[[int, int], None],
    on_task: Callable[[int, int], None] = lambda task, successes: None,
    videos: Videos = Videos.NONE,
    video_folder: Path = Path(),
    in_step: bool = False,
    ensembling: float | None = None,
) -> EvaluationResult | None:
    """Success of the policy on the suite, the same on every rank; None where any rank was told to stop meanwhile.

    Ranks take interleaved episodes. A rank whose simulators or GPU cannot go on leaves its episodes unplayed, which the
    result tells; nothing but a fault of our own raises. `progress` gets (episodes finished by all ranks, all episodes),
    `on_task` (task, successes) as soon as all ranks have played a task's episodes.
    """
    episodes = plan_episodes(len(suite.instructions), trials)
    films = Films(video_folder, suite.instructions, videos, _first_of(board))
    tally = Tally(episodes, board, films, wants_stop, progress, trials, on_task)
    shrinking = Shrinking(policy, batch_size)
    progress(0, len(episodes))
    try:
        with policy if isinstance(policy, Together) else nullcontext():
            own = episodes[ranks.rank :: ranks.world_size]
            _play(shrinking, suite, own, batch_size, tally, in_step=in_step, ensembling=ensembling)
        tally.wait_for_others()
    except Abandoned:
        pass
    finally:
        films.close()
    if any(ranks.any_of([board.is_raised(STOP)])):
        return None
    return _gathered(suite, trials, tally, ranks, [shrinking.remark, films.remark])


def _play(
    policy: Policy,
    suite: Suite,
    episodes: list[Episode],
    batch_size: int,
    tally: Tally,
    *,
    in_step: bool,
    ensembling: float | None,
) -> None:
    """What cannot go on is a reason, not an error: the other ranks and the training go on."""
    if not episodes:
        return
    try:
        roll_out(policy, suite, episodes, batch_size, tally, in_step=in_step, ensembling=ensembling)
    except EvaluationError as error:
        tally.reasons.append(str(error))


def _first_of(board: Board) -> Callable[[int, bool], bool]:
    return lambda task, success: board.count(f"video-{task}-{success}", 1) == 1


def _gathered(suite: Suite, trials: int, tally: Tally, ranks: Ranks, remarks: list[str | None]) -> EvaluationResult:
    """The result; reasons, videos and remarks are known to the first rank only."""
    told = ranks.gather_objects((tally.reasons, tally.films.kept, [remark for remark in remarks if remark]))
    reasons = [reason for reasons, _, _ in told for reason in reasons]
    unplayed = reasons[0] if reasons else UNKNOWN
    outcomes = tuple(
        Outcome(success=bool(success), steps=steps, failure=None if is_played else unplayed, repeats=repeats)
        for is_played, success, steps, repeats in ranks.add_up(tally.counts).tolist()
    )
    return EvaluationResult(
        suite=suite.name,
        tasks=suite.instructions,
        trials=trials,
        outcomes=outcomes,
        versions=suite.versions,
        videos=tuple(video for _, videos, _ in told for video in videos),
        remarks=tuple(dict.fromkeys(remark for _, _, remarks in told for remark in remarks)),
    )
