"""Which runs are shown and in what order: a filter of words, a sorting. Pure."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from vlad.records.foreign import ForeignJob
from vlad.records.home_view import RunView
from vlad.records.parts import with_parts_below
from vlad.records.run import State

COMPARISON = re.compile(r"(success|best|step|loss)(>=|<=|>|<|=)(-?\d+(?:\.\d+)?)")
LEAST_OF_A_STATE = 3
COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">": lambda one, two: one > two,
    "<": lambda one, two: one < two,
    ">=": lambda one, two: one >= two,
    "<=": lambda one, two: one <= two,
    "=": lambda one, two: one == two,
}


class RunSort(StrEnum):
    """By what the runs are sorted, live ones always before the others."""

    NEWEST = "newest"
    NAME = "name"
    SUCCESS = "success"
    LOSS = "loss"

    @property
    def following(self) -> "RunSort":
        """The one after this, and after the last the first."""
        kinds = list(RunSort)
        return kinds[(kinds.index(self) + 1) % len(kinds)]


def arranged(runs: Sequence[RunView], sort: RunSort) -> list[RunView]:
    """Runs in order; those that lack the number come last. `runs` are newest first; by age, parts follow their run."""
    match sort:
        case RunSort.NEWEST:
            return [run for run, _ in with_parts_below(runs, ended_below_live=True)]
        case RunSort.NAME:
            return sorted(runs, key=lambda run: (not run.is_live, run.record.name))
        case RunSort.SUCCESS:
            return sorted(runs, key=lambda run: (not run.is_live, -(_value("success", run) or -1.0)))
        case RunSort.LOSS:
            return sorted(runs, key=lambda run: (not run.is_live, _or_last(run.summary.loss)))
        case _:
            assert_never(sort)


def _or_last(value: float | None) -> float:
    return float("inf") if value is None else value


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Words that must all fit: `failed`, `live`, `success>80`, `suite:spatial`, or a part of the name or id.

    While a state is still being typed, its beginning stands for it too.
    """

    text: str

    def matches(self, run: RunView) -> bool:
        return all(_fits(word, run) for word in self.text.lower().split())

    def matches_foreign(self, job: ForeignJob) -> bool:
        """Of a training that vlad did not start only its command is known; it is live and `foreign`."""
        command = " ".join(job.command).lower()
        return all(word in {"live", "foreign"} or word in command for word in self.text.lower().split())


def matching(runs: Sequence[RunView], words: RunFilter, unfolded: Set[str]) -> list[RunView]:
    """The runs that the filter matches, with the ended parts of those of them that are `unfolded`."""
    found = [run for run in runs if words.matches(run)]
    wholes = {run.run_id for run in found} & unfolded
    if not wholes or len(found) == len(runs):
        return found
    kept = {run.run_id for run in found}
    return [run for run in runs if run.run_id in kept or (run.is_ended_part and run.record.part_of in wholes)]


def _fits(word: str, run: RunView) -> bool:
    if found := COMPARISON.fullmatch(word):
        value = _value(found[1], run)
        return value is not None and COMPARED[found[2]](value, float(found[3]))
    if word.startswith("suite:"):
        return word.removeprefix("suite:") in (run.summary.suite or "").lower()
    if word in {"live", "ended"}:
        return run.is_live == (word == "live")
    if word.upper() in State.__members__:
        return run.record.state == word.upper()
    is_state_begun = len(word) >= LEAST_OF_A_STATE and run.record.state.lower().startswith(word)
    whole = run.record.part_of if run.is_live else None  # ended parts stay folded below a run that is looked for
    ids = (run.run_id, whole or "", run.record.name)
    return is_state_begun or any(word in one.lower() for one in ids)


def _value(name: str, run: RunView) -> float | None:
    summary = run.summary
    last = summary.last_evaluation
    values = {
        "success": last.success_rate if last is not None and last.failure is None else None,
        "best": summary.best,
        "step": summary.step,
        "loss": summary.loss,
    }
    return values[name]
