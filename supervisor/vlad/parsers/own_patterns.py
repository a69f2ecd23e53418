"""A user's own regular expressions for log lines, as YAML; matched by RE2, in time linear in the line, always."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from vlad.parsers.facts import Fact, SeenEvaluation, step_from
from vlad.records.files import RecordError
from vlad.records.spec import LinePattern

COUNTS = ("successes", "episodes")
RATES = ("success_rate", "success_fraction")
EVALUATION_GROUPS = frozenset({"step", "suite", *COUNTS, *RATES})


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    patterns: tuple[LinePattern, ...]


def read_patterns(content: bytes, source: str) -> tuple[LinePattern, ...]:
    """The patterns of a YAML file, all proven usable. Raises RecordError that names `source` and the pattern."""
    import yaml  # only those who have such a file pay for it

    try:
        patterns = msgspec.convert(yaml.safe_load(content), _File).patterns
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise RecordError(f"{source}: {' '.join(str(error).split())}") from error
    try:
        compiled(patterns)
    except RecordError as error:
        raise RecordError(f"{source}: {error}") from error
    return patterns


def compiled(patterns: Sequence[LinePattern]) -> list[Callable[[str], Fact | None]]:
    """A parser for each pattern. Raises RecordError for one that RE2 refuses or whose groups tell nothing."""
    return [_compiled(pattern) for pattern in patterns]


def _compiled(pattern: LinePattern) -> Callable[[str], Fact | None]:
    import re2  # 1 MB that only such runs need

    if (pattern.step is None) == (pattern.evaluation is None):
        raise RecordError("a pattern is either `step: REGEX` or `evaluation: REGEX`")
    text = pattern.step or pattern.evaluation or ""
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile(text, options)
    except re2.error as error:
        raise RecordError(f"{text!r} cannot be used: {_words(error)} (RE2 syntax: no look-around, no \\1)") from error
    groups = set(expression.groupindex)
    if pattern.step is not None:
        _require("step" in groups, text, "it needs a group (?P<step>…)")
        return lambda line: _step(expression.search(line))
    has_rate = bool(groups & set(RATES)) or groups >= set(COUNTS)
    _require(has_rate, text, "it needs (?P<success_rate>…), (?P<success_fraction>…), or successes and episodes")
    _require(
        groups <= EVALUATION_GROUPS, text, f"of an evaluation only {', '.join(sorted(EVALUATION_GROUPS))} are known"
    )
    return lambda line: _evaluation(expression.search(line))


def _require(is_met: bool, text: str, demand: str) -> None:
    if not is_met:
        raise RecordError(f"{text!r} cannot be used: {demand}")


def _words(error: Exception) -> str:
    told = error.args[0] if error.args else error
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


def _step(found: Any) -> Fact | None:
    told = _told(found)
    try:
        step, most = int(told.pop("step")), told.pop("max_steps", None)
        return step_from({name: float(text) for name, text in told.items()}, step, None if most is None else int(most))
    except (KeyError, ValueError):
        return None


def _evaluation(found: Any) -> Fact | None:
    told = _told(found)
    try:
        counts = {name: int(told[name]) for name in ("step", *COUNTS) if name in told}
        rate = float(told["success_rate"]) if "success_rate" in told else None
        if rate is None and "success_fraction" in told:
            rate = 100 * float(told["success_fraction"])
        if rate is None:
            rate = 100 * counts["successes"] / counts["episodes"]
        return SeenEvaluation(success_rate=rate, suite=told.get("suite"), **counts) if 0 <= rate <= 100 else None
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def _told(found: Any) -> dict[str, str]:
    """The groups that took part."""
    return {} if found is None else {name: text for name, text in found.groupdict().items() if text}
