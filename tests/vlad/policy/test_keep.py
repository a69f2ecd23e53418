"""Which runs `vlad prune` keeps, and which checkpoint is the best."""

import pytest
from vlad.policy.keep import BadRule, EndedRun, KeepRule, best_checkpoints, doomed, keep_rule
from vlad.records.progress import CheckpointSaved
from vlad.records.summary import Summary

DAY = 86400.0
NOW = 100 * DAY
RUNS = [EndedRun(f"ended {days} days ago", NOW - days * DAY) for days in (1, 40, 3, 10)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("20", KeepRule(newest=20)),
        ("0", KeepRule()),
        ("12h", KeepRule(within_s=43200)),
        ("2w", KeepRule(within_s=14 * DAY)),
    ],
)
def test_rules(text: str, rule: KeepRule) -> None:
    assert keep_rule(text) == rule


@pytest.mark.parametrize("text", ["", "d", "-1", "3m", "1.5d", "best", "²"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(BadRule):
        keep_rule(text)


CASES = {
    "the newest": (["2"], [40, 10]),
    "the young": (["5d"], [40, 10]),
    "each rule keeps its own": (["1", "20d"], [40]),
    "more than there are": (["9"], []),
    "none": (["0"], [40, 10, 3, 1]),
    "no rule removes nothing": ([], []),
    "the border stays out": (["10d"], [40, 10]),
}


@pytest.mark.parametrize(("rules", "days"), CASES.values(), ids=CASES.keys())
def test_doomed_runs(rules: list[str], days: list[int]) -> None:
    assert doomed(RUNS, [keep_rule(rule) for rule in rules], NOW) == [f"ended {one} days ago" for one in days]


def saved(step: int, is_best: bool = False) -> CheckpointSaved:
    return CheckpointSaved(at=0, step=step, path=f"/c/{step}", is_best=is_best)


BESTS = {
    "flagged last": ([saved(1, True), saved(2, True), saved(3)], None, {"/c/2"}),
    "as evaluated": ([saved(1), saved(2), saved(3)], 2, {"/c/2"}),
    "both where they differ": ([saved(1, True), saved(2)], 2, {"/c/1", "/c/2"}),
    "the newest where nothing was evaluated": ([saved(1), saved(2)], None, {"/c/2"}),
    "none": ([], 2, set()),
}


@pytest.mark.parametrize(("checkpoints", "best_step", "paths"), BESTS.values(), ids=BESTS.keys())
def test_the_best(checkpoints: list[CheckpointSaved], best_step: int | None, paths: set[str]) -> None:
    assert best_checkpoints(checkpoints, Summary(best_step=best_step)) == paths
