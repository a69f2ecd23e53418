"""Lines of the original method script: `[method] …`, `[train] …` and `[eval] step N success_rate=P%`."""

import re

from vlad.parsers.facts import NUMBER, Fact, SeenEvaluation, step_from

_TAG = re.compile(r"\[(method|train|eval)\] (.*)")
_PAIR = re.compile(rf"([A-Za-z_][A-Za-z0-9_/.-]*)(?: ?[=:] ?| )({NUMBER})(?![\w.])")
_SUCCESS = re.compile(rf"\bstep[ =:]?(\d+)\b.*?\bsuccess_rate ?[=:] ?({NUMBER}) ?%?")
_EPISODES = re.compile(r"\((\d+)/(\d+)")


def parse(line: str) -> Fact | None:
    """`name value`, `name=value` and `name: value` are understood alike, in any order."""
    tagged = _TAG.search(line)
    if tagged is None:
        return None
    tag, told = tagged.groups()
    return _evaluation(told) if tag == "eval" else _step(told)


def _step(told: str) -> Fact | None:
    figures = {name: float(value) for name, value in _PAIR.findall(told)}
    step = figures.pop("step", None)
    if step is None or not step.is_integer() or not figures:
        return None
    return step_from(figures, int(step))


def _evaluation(told: str) -> Fact | None:
    found = _SUCCESS.search(told)
    if found is None or not 0 <= float(found[2]) <= 100:
        return None
    counted = _EPISODES.search(told, found.end())
    successes, episodes = (int(counted[1]), int(counted[2])) if counted else (None, None)
    return SeenEvaluation(
        step=int(found[1]), success_rate=float(found[2]), successes=successes, episodes=episodes
    )  # fmt: skip
