"""A user's own expressions for log lines."""

from pathlib import Path

import pytest
from vlad.parsers.facts import SeenEvaluation, SeenStep
from vlad.parsers.lines import facts_of
from vlad.parsers.own_patterns import compiled, read_patterns
from vlad.records.files import RecordError

FILE = rb"""
patterns:
  - step: 'iter\s+(?P<step>\d+)/(?P<max_steps>\d+) L=(?P<loss>\S+) entropy=(?P<entropy>\S+)'
  - evaluation: 'solved (?P<successes>\d+) of (?P<episodes>\d+) after (?P<step>\d+)'
  - evaluation: 'SR (?P<success_fraction>[\d.]+) on (?P<suite>\w+)'
"""


def test_named_groups_tell_what_is_what() -> None:
    parsers = compiled(read_patterns(FILE, "mine.yaml"))
    lines = b"iter  12/900 L=0.5 entropy=2.5\nsolved 9 of 10 after 12\nSR 0.25 on goal\n"
    lines += b"SR 7 on goal\niter 1/2 L=x entropy=y\n"
    assert list(facts_of(lines, parsers)) == [
        SeenStep(step=12, max_steps=900, loss=0.5, metrics={"entropy": 2.5}),
        SeenEvaluation(success_rate=90, step=12, successes=9, episodes=10),
        SeenEvaluation(success_rate=25, suite="goal"),
    ]


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        pytest.param(r"step: '(?P<step>\d+'", "missing", id="no expression"),
        pytest.param(r"step: '(?P<step>\d+)(?=x)'", "RE2", id="look-ahead"),
        pytest.param(r"step: '(\d+)'", "(?P<step>", id="no step"),
        pytest.param(r"evaluation: '(?P<successes>\d+)'", "(?P<success_rate>", id="no rate"),
        pytest.param(r"evaluation: '(?P<success_rate>\d+) (?P<colour>\w+)'", "only", id="unknown group"),
        pytest.param("{}", "either", id="neither"),
        pytest.param("loss: x", "loss", id="unknown field"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_by_name(pattern: str, complaint: str) -> None:
    with pytest.raises(RecordError, match=r"mine\.yaml") as refused:
        read_patterns(f"patterns:\n  - {pattern}\n".encode(), "mine.yaml")
    assert complaint in str(refused.value)


def test_an_expression_that_explodes_elsewhere_takes_no_time_here() -> None:
    """The backtracking engine of the standard library needs about 2**4000 steps for this line."""
    (parse,) = compiled(read_patterns(b"patterns: [{step: '^(?P<step>(a|a|aa)+)$'}]", "mine.yaml"))
    assert parse("a" * 4000 + "b") is None


def test_what_is_no_yaml_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"mine\.yaml"):
        read_patterns(b"patterns: [", "mine.yaml")
