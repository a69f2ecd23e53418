"""Rolls a policy out: many episodes side by side in one batch, shared among ranks, never waiting in a collective."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vlatrain.distributed import Board, Ranks
from vlatrain.evaluate.results import Episode, EvaluationResult, Outcome, plan_episodes
from vlatrain.evaluate.suites import Image, Simulator, Suite
from vlatrain.failpoints import failpoint

STOP = "stop"
FINISHED = "finished"


class Policy(Protocol):
    """Pictures uint8 [H, W, 3] and instructions of a batch to actions [B, 7] in the simulator's units."""

    def __call__(self, images: Sequence[Image], instructions: Sequence[str], /) -> NDArray[np.float64]: ...


class Abandoned(Exception):
    """The evaluation was given up because the run shall stop."""


@dataclass(slots=True)
class Seat:
    """A place in the batch: an episode under way."""

    episode: Episode
    simulator: Simulator
    instruction: str
    steps: int = 0


Finished = Callable[[Episode, Outcome], None]


def roll_out(
    policy: Policy, suite: Suite, episodes: Sequence[Episode], batch_size: int, tick: Callable[[], None], done: Finished
) -> None:
    """Plays every episode, at most `batch_size` at a time; a seat that falls free takes the next episode at once.

    `tick` is called before every batch and may raise; `done` with every outcome. Simulators are closed in any case.
    """
    waiting = deque(episodes)
    seats: list[Seat] = []
    try:
        while waiting or seats:
            tick()
            while waiting and len(seats) < batch_size:
                seats.append(_seated(suite, waiting.popleft()))
            endings = _play(policy, seats)
            for seat, ending in zip(tuple(seats), endings, strict=True):
                if ending is not None:
                    seat.simulator.close()
                    seats.remove(seat)
                    done(seat.episode, ending)
    finally:
        for seat in seats:
            seat.simulator.close()


def _seated(suite: Suite, episode: Episode) -> Seat:
    simulator = suite.open(episode.task)
    simulator.start(episode.trial)
    return Seat(episode, simulator, suite.instructions[episode.task])


def _play(policy: Policy, seats: Sequence[Seat]) -> list[Outcome | None]:
    """One action for everybody; the outcome of each episode that it ended."""
    actions = policy([seat.simulator.image for seat in seats], [seat.instruction for seat in seats])
    outcomes: list[Outcome | None] = []
    for seat, action in zip(seats, actions, strict=True):
        seat.steps += 1
        ending = seat.simulator.act(action)
        outcomes.append(Outcome(success=ending.success, steps=seat.steps) if ending.is_over else None)
    return outcomes


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
) -> EvaluationResult | None:
    """Success of the policy on the suite, the same on every rank; None where any rank was told to stop meanwhile.

    Ranks take interleaved episodes. Until all have arrived they look at the board instead of meeting in a collective,
    so that no wait can time out. `progress` gets (episodes finished by all ranks, all episodes).
    """
    episodes = plan_episodes(len(suite.instructions), trials)
    counts = torch.zeros(len(episodes), 2, dtype=torch.int64)  # steps and success of each episode; 0 steps: not ours
    places = {episode: place for place, episode in enumerate(episodes)}

    def look() -> None:
        failpoint("in_evaluation")
        if wants_stop():
            board.raise_flag(STOP)
        if board.is_raised(STOP):
            raise Abandoned

    def note(episode: Episode, outcome: Outcome) -> None:
        counts[places[episode]] = torch.tensor([outcome.steps, int(outcome.success)])
        progress(board.count(FINISHED, 1), len(episodes))

    progress(0, len(episodes))
    try:
        roll_out(policy, suite, episodes[ranks.rank :: ranks.world_size], batch_size, look, note)
        for _ in board.arrivals():
            look()
            progress(board.count(FINISHED), len(episodes))
    except Abandoned:
        pass
    if any(ranks.any_of([board.is_raised(STOP)])):
        return None
    outcomes = tuple(Outcome(success=bool(success), steps=steps) for steps, success in ranks.add_up(counts).tolist())
    return EvaluationResult(suite=suite.name, tasks=suite.instructions, trials=trials, outcomes=outcomes)
