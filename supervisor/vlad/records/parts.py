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


def with_parts_below(runs: Sequence[ListedRun], *, ended_below_live: bool = False) -> list[tuple[ListedRun, bool]]:
    """The runs in their order, but a part right below the run that it is of; and whether it stands there.

    A part of a run that is not listed keeps its own place, and so does a live part of a run that has ended; an ended
    part of a live run stands below that where `ended_below_live`.
    """
    is_live = {run.record.run_id: run.is_live for run in runs}
    parts: dict[str, list[ListedRun]] = {}
    alone: list[ListedRun] = []
    for run in runs:
        whole = is_live.get(run.record.part_of or "")
        is_below = whole is not None and (whole == run.is_live or (ended_below_live and not run.is_live))
        (parts.setdefault(run.record.part_of or "", []) if is_below else alone).append(run)
    return [line for run in alone for line in ((run, False), *((part, True) for part in _below(run, parts)))]


def _below(run: ListedRun, parts: dict[str, list[ListedRun]]) -> list[ListedRun]:
    own = parts.get(run.record.run_id, [])
    return [one for part in own for one in (part, *_below(part, parts))]
