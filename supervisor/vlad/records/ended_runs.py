"""Which runs ended last, and how many parts of each have: looked at again and again, without a long history's cost."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path

from vlad.records.files import last_lines
from vlad.records.history import RUN_ID
from vlad.records.parts import whole_of
from vlad.records.rundir import Home


@dataclass(frozen=True, slots=True)
class Ended:
    """Runs that have ended and are no part of another one that is there, newest first, and the ended parts of runs."""

    ids: tuple[str, ...] = ()
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    has_older: bool = False

    def newest_parts(self, most: int) -> list[str]:
        """Of whatever run."""
        return nlargest(most, (part for parts in self.parts.values() for part in parts))


class EndedReader:
    """Remembers what it found until a run ends, is made or is removed. Used by one thread."""

    def __init__(self, home: Home, most: int) -> None:
        self._home = home
        self._most = most
        self._wholes: dict[str, str | None] = {}
        self._known: tuple[object, Ended] | None = None

    def read(self, live: Collection[str]) -> Ended:
        """The last `most` that ended, beside the `live` ones."""
        signature = (frozenset(live), *map(_signature, (self._home.ended, self._home.runs)))
        if self._known is None or self._known[0] != signature:
            self._known = signature, self._look(frozenset(live))
        return self._known[1]

    def _look(self, live: frozenset[str]) -> Ended:
        there = _names(self._home.runs)
        found = self._sorted(self._listed(), live, there)
        if not found.has_older:  # a home that has not kept its list for long enough is looked through
            found = self._sorted(sorted(there, reverse=True), live, there)
        return found

    def _listed(self) -> Iterator[str]:
        """The ends, last one first. A line tells which run it was a part of; one of an earlier version did not."""
        for line in last_lines(self._home.ended):
            run_id, _, whole = line.partition(" ")
            if whole:
                self._wholes[run_id] = whole
            yield run_id

    def _sorted(self, run_ids: Iterable[str], live: frozenset[str], there: frozenset[str]) -> Ended:
        found, parts, seen, has_older = list[str](), dict[str, list[str]](), set(live), False
        for run_id in run_ids:
            if run_id in seen or run_id not in there or not RUN_ID.fullmatch(run_id):
                continue
            seen.add(run_id)
            if (whole := self._whole(run_id)) in there:
                parts.setdefault(whole or "", []).append(run_id)
            elif len(found) < self._most:
                found.append(run_id)
            else:
                has_older = True
        return Ended(tuple(sorted(found, reverse=True)), {of: tuple(ids) for of, ids in parts.items()}, has_older)

    def _whole(self, run_id: str) -> str | None:
        if run_id not in self._wholes:
            self._wholes[run_id] = whole_of(self._home.runs / run_id / "spec.json")
        return self._wholes[run_id]


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def _signature(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_nlink
