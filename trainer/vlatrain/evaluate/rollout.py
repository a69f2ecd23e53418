"""Rolls a policy out over the episodes of a venue: what waits for an action is answered in batches."""

from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlatrain.evaluate.chunks import Chunks
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.venue import Ended, Observation, Seen, Suite, Venue

POLL_S = 0.2


class Policy(Protocol):
    """Observations and instructions of a batch to actions [B, 7] in the simulator's units, or to chunks [B, N, 7]."""

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str], /) -> NDArray[np.float64]: ...


class Watcher(Protocol):
    """Whoever wants to know how it goes. `tick` comes between batches and may raise; so ends the evaluation.

    It has `seen` what the policy sees, and all the rest of the episodes that it `follows`, too.
    """

    def tick(self) -> None: ...
    def follows(self, episode: Episode) -> bool: ...
    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None: ...
    def ended(self, episode: Episode, outcome: Outcome) -> None: ...


@dataclass(slots=True)
class Round:
    """Episodes on their way through one venue."""

    waiting: deque[Episode]
    under_way: set[Episode] = field(default_factory=set)
    moving: set[Episode] = field(default_factory=set)
    """Those past their start; a start takes seconds, so nobody waits for it."""
    ready: dict[Episode, Observation] = field(default_factory=dict)
    """What waits for the policy, the longest waiting first."""
    chunks: Chunks = field(default_factory=Chunks)

    @property
    def is_over(self) -> bool:
        return not self.waiting and not self.under_way

    def due(self, batch_size: int, *, in_step: bool, in_turns: bool) -> list[Episode]:
        """The next batch: at least half of what moves, so that one half is simulated while the model does the other.

        `in_turns` waits for all that move, `in_step` for those that start as well, which makes batches the same in
        every run.
        """
        half = (len(self.moving) + 1) // 2
        enough = len(self.under_way) if in_step else len(self.moving) if in_turns else half
        is_due = bool(self.ready) and len(self.ready) >= min(enough, batch_size)
        return list(self.ready)[:batch_size] if is_due else []


def roll_out(
    policy: Policy,
    suite: Suite,
    episodes: Sequence[Episode],
    batch_size: int,
    watcher: Watcher,
    *,
    in_step: bool = False,
    in_turns: bool = False,
    ensembling: float | None = None,
) -> None:
    """Plays every episode; the policy gets at most `batch_size` at a time. The venue is closed in any case.

    Simulators and policy work at the same time, unless `in_turns` or `in_step` (see `Round.due`). `ensembling` is that
    of `Chunks`.
    """
    now = Round(deque(episodes), chunks=Chunks(ensembling))
    due = partial(now.due, batch_size, in_step=in_step, in_turns=in_turns)
    with closing(suite.open(batch_size, len(episodes))) as venue:
        _begin(now, venue)
        while not now.is_over:
            watcher.tick()
            _listen(now, venue, watcher, 0.0 if due() else POLL_S)
            _begin(now, venue)
            if batch := due():
                _act(policy, suite, now, venue, batch, watcher)


def _begin(now: Round, venue: Venue) -> None:
    while now.waiting and len(now.under_way) < venue.seats:
        episode = venue.preferred(now.waiting)
        now.waiting.remove(episode)
        now.under_way.add(episode)
        venue.begin(episode)


def _listen(now: Round, venue: Venue, watcher: Watcher, timeout_s: float) -> None:
    """Takes in what has happened."""
    for event in venue.events(timeout_s):
        if isinstance(event, Ended):
            now.under_way.discard(event.episode)
            now.moving.discard(event.episode)
            now.chunks.forget(event.episode)
            watcher.ended(event.episode, event.outcome)
        else:
            watcher.seen(event.episode, event.observation, is_start=event.is_start)
            _take(now, event)


def _take(now: Round, event: Seen) -> None:
    now.moving.add(event.episode)
    if event.is_start:
        now.chunks.forget(event.episode)
    if event.waits:
        now.ready[event.episode] = event.observation


def _act(policy: Policy, suite: Suite, now: Round, venue: Venue, batch: list[Episode], watcher: Watcher) -> None:
    observations = [now.ready.pop(episode) for episode in batch]
    actions = policy(observations, [suite.instructions[episode.task] for episode in batch])
    for episode, chunk in zip(batch, actions, strict=True):
        venue.act(episode, now.chunks.add(episode, chunk), is_followed=watcher.follows(episode))
