"""Runs that work for another run, as evaluations beside a training do: whose they are, and where they are listed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from vlad.records.run import RunRecord


class Listed(Protocol):
    """A run in a list."""

    @property
    def record(self) -> RunRecord: ...

    @property
    def is_live(self) -> bool: ...


class _Whole(msgspec.Struct):
    part_of: str | None = None


ListedRun = TypeVar("ListedRun", bound=Listed)


def whole_of(spec: Path) -> str | None:
    """The id of the run that the run with this spec.json is a part of; None where it is of none, or cannot be read."""
    try:
        return msgspec.json.decode(spec.read_bytes(), type=_Whole).part_of
    except (OSError, msgspec.DecodeError):
        return None


def with_parts_below(runs: Sequence[ListedRun]) -> list[tuple[ListedRun, bool]]:
    """The runs in their order, but a part right below the run that it is of; and whether it stands there.

    A part of a run that is not listed, or is live where the part has ended, keeps its own place.
    """
    places = {(run.record.run_id, run.is_live) for run in runs}
    parts: dict[tuple[str, bool], list[ListedRun]] = {}
    for run in runs:
        parts.setdefault((run.record.part_of or "", run.is_live), []).append(run)
    found: list[tuple[ListedRun, bool]] = []
    for run in runs:
        if (run.record.part_of, run.is_live) not in places:
            found += [(run, False), *((part, True) for part in _below(run, parts))]
    return found


def _below(run: ListedRun, parts: dict[tuple[str, bool], list[ListedRun]]) -> list[ListedRun]:
    own = parts.get((run.record.run_id, run.is_live), [])
    return [one for part in own for one in (part, *_below(part, parts))]
