"""The groups of the table of runs, and the headings above them. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from vlad.records.home_view import RunView
from vlad.records.run import State

from vlatui.look.columns import Row
from vlatui.look.tones import Span, Tone
from vlatui.look.words import tr


class RunGroup(StrEnum):
    """What stands together, in the order in which it is shown; the value is the heading."""

    LIVE = "Live"
    QUEUED = "Queued"
    ENDED = "Ended"
    UNREAD = "Cannot be read"
    FOREIGN = "Not started by vlad"


Grouped = tuple[RunGroup, Row]


def group_of(run: RunView) -> RunGroup:
    if run.record.state is State.QUEUED:
        return RunGroup.QUEUED
    return RunGroup.LIVE if run.is_live else RunGroup.ENDED


def below_their_run(runs: Sequence[RunView], *, has_headings: bool) -> frozenset[str]:
    """The ids of the parts that are listed right below the run that they are of."""
    found: set[str] = set()
    for members in _members(runs) if has_headings else [runs]:
        family: set[str] = set()
        for run in members:
            if run.record.part_of in family:
                found.add(run.run_id)
            else:
                family.clear()
            family.add(run.run_id)
    return frozenset(found)


def _members(runs: Sequence[RunView]) -> list[list[RunView]]:
    return [[run for run in runs if group_of(run) is group] for group in RunGroup]


def under_headings(rows: Sequence[Grouped]) -> list[Row]:
    """The rows of each group, in their order, under its heading; a single group of runs needs none."""
    members = {group: [row for its, row in rows if its is group] for group in RunGroup}
    present = [group for group in RunGroup if members[group]]
    if len(present) < 2 and RunGroup.FOREIGN not in present:
        return [row for _, row in rows]
    return [row for group in present for row in (_heading(group, len(members[group])), *members[group])]


def _heading(group: RunGroup, count: int) -> Row:
    return Row(f"heading:{group.name}", {}, heading=(Span(tr(group.value), Tone.MUTED), Span(f" {count} ", Tone.FAINT)))
