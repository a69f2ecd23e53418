"""The groups of the table of runs, and the headings above them. Pure."""

from collections.abc import Sequence, Set
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


def placed(runs: Sequence[RunView], *, has_headings: bool) -> list[tuple[RunGroup, RunView, bool]]:
    """Each run with its group, and whether it stands right below the run that it is a part of.

    Below a heading of another group it does not, unless it has ended: then it stands where its run does.
    """
    found: list[tuple[RunGroup, RunView, bool]] = []
    family: dict[str, RunGroup] = {}
    for run in runs:
        own, above = group_of(run), family.get(run.record.part_of or "")
        if above is None:
            family = {}
        is_below = above is not None and (above is own or run.is_ended_part or not has_headings)
        group = above if above is not None and is_below else own
        family[run.run_id] = group
        found.append((group, run, is_below))
    return found


def under_headings(rows: Sequence[Grouped], uncounted: Set[str] = frozenset()) -> list[Row]:
    """The rows of each group, in their order, under its heading; a single group of runs needs none.

    A heading says how many they are, but for the `uncounted` keys.
    """
    members = {group: [row for its, row in rows if its is group] for group in RunGroup}
    present = [group for group in RunGroup if members[group]]
    if len(present) < 2 and RunGroup.FOREIGN not in present:
        return [row for _, row in rows]
    counts = {group: sum(row.key not in uncounted for row in members[group]) for group in present}
    return [row for group in present for row in (_heading(group, counts[group]), *members[group])]


def _heading(group: RunGroup, count: int) -> Row:
    return Row(f"heading:{group.name}", {}, heading=(Span(tr(group.value), Tone.MUTED), Span(f" {count} ", Tone.FAINT)))
