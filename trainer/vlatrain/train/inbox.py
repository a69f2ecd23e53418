"""What is asked of the run between two steps: request files read by rank 0, SIGTERM heard by any rank."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from vlad.records.progress import RequestDone
from vlad.records.requests import Action, Request
from vlad.report import Reporter

from vlatrain.distributed import Ranks

STOPS = frozenset({Action.STOP, Action.STOP_NOW})


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What all ranks agreed is asked for now."""

    stop: bool = False
    save: bool = False
    evaluate: bool = False


@dataclass(slots=True)
class Inbox:
    """Listens for SIGTERM and for requests, and answers each request once."""

    ranks: Ranks
    reporter: Reporter
    was_told_to_end: bool = False
    _answered: set[str] = field(default_factory=set)
    _open: list[Request] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, SIGTERM means stop."""
        before = signal.signal(signal.SIGTERM, self._heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _heard(self, signum: int, frame: FrameType | None) -> None:
        self.was_told_to_end = True

    def wishes(self) -> Wishes:
        """What is asked for now, the same on every rank. Collective: every rank must call it."""
        stop, save, evaluate = self.ranks.any_of(
            [self.wants_stop(), self._is_asked({Action.SAVE}), self._is_asked({Action.EVALUATE})]
        )
        return Wishes(stop=stop, save=save, evaluate=evaluate)

    def wants_stop(self) -> bool:
        """Whether this rank itself knows that the run shall stop. Not collective."""
        self._open = [request for request in self.reporter.requests() if request.id not in self._answered]
        return self.was_told_to_end or self._is_asked(STOPS)

    def answer(self, actions: Iterable[Action], detail: str) -> None:
        """Reports the open requests for any of `actions` as done."""
        chosen = set(actions)
        for request in self._open:
            if request.action in chosen and request.id not in self._answered:
                self._answered.add(request.id)
                self.reporter.progress(RequestDone(at=time.time(), request_id=request.id, detail=detail))

    def _is_asked(self, actions: Iterable[Action]) -> bool:
        return any(request.action in actions and request.id not in self._answered for request in self._open)
