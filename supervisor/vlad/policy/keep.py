"""Which ended runs `vlad prune` keeps, and which checkpoints are never removed unasked. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlad.records.progress import CheckpointSaved
from vlad.records.summary import Summary

_RULE = re.compile(r"(\d+)([hdw]?)")
SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


class BadRule(ValueError):
    """A rule of --keep that is none; the message is the one line to print."""


@dataclass(frozen=True, slots=True)
class KeepRule:
    """The `newest` so many, or all that ended within `within_s`."""

    newest: int = 0
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EndedRun:
    """`part_of` is the run that it works for, where that is still there."""

    run_id: str
    ended_at: float
    part_of: str | None = None


def keep_rule(text: str) -> KeepRule:
    """ "20" = the 20 newest; "12h", "30d", "2w" = those that ended since. Raises BadRule."""
    match = _RULE.fullmatch(text)
    if match is None or not text.isascii():
        raise BadRule(f"{text!r}: it must be a number of runs (20) or an age (12h, 30d, 2w)")
    number, unit = int(match[1]), match[2]
    return KeepRule(within_s=number * SECONDS[unit]) if unit else KeepRule(newest=number)


def doomed(runs: Sequence[EndedRun], rules: Sequence[KeepRule], now: float) -> list[str]:
    """The runs that no rule keeps, oldest end first, each before its parts. Without a rule nothing is doomed.

    Parts count for no rule: they go and stay with their run.
    """
    in_order = sorted((run for run in runs if run.part_of is None), key=lambda run: (run.ended_at, run.run_id))
    if not rules:
        return []
    newest = max(rule.newest for rule in rules)
    since = now - max(rule.within_s for rule in rules)
    kept = {run.run_id for run in in_order[len(in_order) - newest :]} if newest else set()
    going = [run.run_id for run in in_order if run.run_id not in kept and run.ended_at <= since]
    return [one for run_id in going for one in (run_id, *(run.run_id for run in runs if run.part_of == run_id))]


def best_checkpoints(saved: Sequence[CheckpointSaved], summary: Summary) -> set[str]:
    """Paths of the best as the program flagged it and as the evaluations tell; of the newest where neither does."""
    flagged = [one for one in saved if one.is_best][-1:]
    evaluated = [one for one in saved if summary.best_step is not None and one.step == summary.best_step]
    return {one.path for one in (*flagged, *evaluated) or saved[-1:]}
