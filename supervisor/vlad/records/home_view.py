"""What the home of all runs looks like now, as frozen values. Reads only what changed since it last looked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import msgspec

from vlad.records.ended_runs import Ended, EndedReader
from vlad.records.files import RecordError
from vlad.records.outcome import ProcessIdentity
from vlad.records.run import RunRecord, State
from vlad.records.rundir import MINUTE, Home, RunDirectory
from vlad.records.spec import Kind
from vlad.records.summary import Summary, of_attempt
from vlad.records.summary_reading import SummaryRead, read_summary

MOST_ENDED = 200
IsAlive = Callable[[ProcessIdentity], bool]
Signature = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """One run: where it stands and what it last reported.

    `site` is the host it is read from (empty: this one), not reached since `stale_since` (Unix seconds).
    `kind` is told of live runs alone, where their specification can be read. So many of its parts have ended.
    """

    record: RunRecord
    summary: Summary
    site: str = ""
    stale_since: float | None = None
    kind: Kind | None = None
    ended_parts: int = 0

    @property
    def run_id(self) -> str:
        return self.record.run_id

    @property
    def is_live(self) -> bool:
        return not self.record.state.is_final

    @property
    def is_ended_part(self) -> bool:
        return self.record.part_of is not None and not self.is_live


@dataclass(frozen=True, slots=True)
class PartsWanted:
    """Which ended parts are listed beside their runs: all `of` these, and the `newest` of any.

    `also` is a run that is listed whatever it is and however old.
    """

    of: frozenset[str] = frozenset()
    newest: bool = False
    also: str | None = None


NO_PARTS = PartsWanted()


@dataclass(frozen=True, slots=True)
class HomeView:
    """Runs, live ones first, each group newest first; `has_older` where further ended ones are left out.

    Of parts of other runs those that have ended are there only as wanted.
    """

    path: str
    runs: tuple[RunView, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    has_older: bool = False

    def find(self, run_id: str | None) -> RunView | None:
        return next((run for run in self.runs if run.run_id == run_id), None)

    @property
    def live(self) -> tuple[RunView, ...]:
        return tuple(run for run in self.runs if run.is_live)

    def in_state(self, state: State) -> int:
        """How many are, but for ended parts of others."""
        return sum(run.record.state is state for run in self.runs if not run.is_ended_part)


@dataclass(slots=True)
class _Known:
    view: RunView
    read: SummaryRead
    signature: Signature


class HomeReader:
    """Looks at a home again and again; remembers how far it read. Used by one thread."""

    def __init__(
        self, home: Home, most_ended: int = MOST_ENDED, always: str | None = None, is_alive: IsAlive = lambda _: True
    ) -> None:
        """`always` names a run that is listed however old it is; `is_alive` tells whose leftovers are still there."""
        self.home = home
        self._always = always
        self._most_ended = most_ended
        self._ended = EndedReader(home, most_ended)
        self._known: dict[str, _Known] = {}
        self._is_alive = is_alive

    def read(self, changed: frozenset[str] | None = None, wanted: PartsWanted = NO_PARTS) -> HomeView:
        """The home now. A run that cannot be read is listed as such; one that is just being made is left out.

        With `changed` only the runs with these ids, and those not known yet, are looked at.
        """
        live = self.home.live_ids()
        ended = self._ended.read(live)
        views: list[RunView] = []
        unreadable: list[tuple[str, str]] = []
        for run_id in self._listed(live, ended, wanted):
            try:
                is_due = changed is None or run_id in changed
                view = self._without_ended_leftovers(self._view(self.home.run(run_id), is_due=is_due))
            except RecordError as error:
                unreadable.append((run_id, str(error)))
                continue
            if view is not None:
                views.append(self._with_count(view, len(ended.parts.get(run_id, ()))))
        self._forget_all_but(view.run_id for view in views)
        views.sort(key=lambda view: (view.is_live, view.run_id[:MINUTE], view.record.created_at), reverse=True)
        return HomeView(str(self.home.path), tuple(views), tuple(unreadable), ended.has_older)

    def _listed(self, live: list[str], ended: Ended, wanted: PartsWanted) -> list[str]:
        newest = ended.newest_parts(self._most_ended) if wanted.newest else []
        parts = [part for whole in wanted.of for part in ended.parts.get(whole, ())]
        named = [run_id for run_id in (self._always, wanted.also) if run_id is not None and run_id not in live]
        return [*reversed(live), *sorted({*ended.ids, *parts, *newest, *named}, reverse=True)]

    def _with_count(self, view: RunView, ended_parts: int) -> RunView:
        if view.ended_parts == ended_parts:
            return view
        return replace(view, ended_parts=ended_parts)

    def _view(self, run: RunDirectory, *, is_due: bool) -> RunView | None:
        known = self._known.get(run.run_id)
        if known is not None and not is_due:
            return known.view
        signature = _signature(run)
        if known is not None and known.signature == signature:
            return known.view
        if signature[:2] == (MISSING, MISSING):
            return None
        record = run.read_record()
        read = read_summary(run, known.read if known else None)
        kind = known.view.kind if known else None
        if kind is None and not record.state.is_final:
            kind = _kind_of(run)
        view = RunView(record, of_attempt(read.summary, record.current_attempt), kind=kind)
        self._known[run.run_id] = _Known(view, read, signature)
        return view

    def _without_ended_leftovers(self, view: RunView | None) -> RunView | None:
        """No file says when a process that could not be ended has ended after all."""
        if view is None or not view.record.leftovers:
            return view
        left = tuple(one for one in view.record.leftovers if self._is_alive(one.process))
        return replace(view, record=msgspec.structs.replace(view.record, leftovers=left))

    def _forget_all_but(self, run_ids: Iterable[str]) -> None:
        kept = set(run_ids)
        self._known = {run_id: known for run_id, known in self._known.items() if run_id in kept}


def _kind_of(run: RunDirectory) -> Kind | None:
    try:
        return run.read_spec().kind
    except RecordError:
        return None


MISSING = (-1, -1)


def _signature(run: RunDirectory) -> Signature:
    """Changes whenever one of the run's records does."""
    signature = []
    for path in (run.state, run.events, run.progress, run.evaluations):
        try:
            found = path.stat()
        except OSError:
            signature.append(MISSING)
        else:
            signature.append((found.st_mtime_ns, found.st_size))
    return tuple(signature)
