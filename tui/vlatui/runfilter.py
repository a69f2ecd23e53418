"""Which runs a filter lets through: text, a state, a number compared, a suite. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from vlad.records.run import State

from vlatui.snapshot import RunView

COMPARISON = re.compile(r"(success|best|step|loss)(>=|<=|>|<|=)(-?\d+(?:\.\d+)?)")
COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">": lambda one, two: one > two,
    "<": lambda one, two: one < two,
    ">=": lambda one, two: one >= two,
    "<=": lambda one, two: one <= two,
    "=": lambda one, two: one == two,
}


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Words that must all fit: `failed`, `live`, `success>80`, `suite:spatial`, or a part of the name or id."""

    text: str

    def matches(self, run: RunView) -> bool:
        return all(_fits(word, run) for word in self.text.lower().split())


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
    return word in run.run_id.lower() or word in run.record.name.lower()


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
