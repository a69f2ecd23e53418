"""vlatrain.evaluate.results: intervals, successes by task, and logs that old tools read."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatrain.evaluate.results import EvaluationResult, Outcome, log_lines, log_name, plan_episodes, wilson_interval


def result(*successes_of_task: str) -> EvaluationResult:
    """Tasks written as strings of trials, x a success."""
    outcomes = tuple(Outcome(success=mark == "x", steps=9) for task in successes_of_task for mark in task)
    tasks = tuple(f"task {number}" for number in range(len(successes_of_task)))
    return EvaluationResult(suite="tabletop_new", tasks=tasks, trials=len(successes_of_task[0]), outcomes=outcomes)


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [  # published values: Newcombe 1998, table I (Wilson's score without correction)
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.0, 16.11),
        (1, 29, 0.61, 17.18),
        (29, 29, 88.30, 100.0),
    ],
)
def test_wilson_interval_equals_the_published_values(successes: int, episodes: int, low: float, high: float) -> None:
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=0.006)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_rate_and_mirrors(counts: tuple[int, int]) -> None:
    successes, episodes = counts
    low, high = wilson_interval(successes, episodes)
    assert 0 <= low <= 100 * successes / episodes <= high <= 100
    mirrored = wilson_interval(episodes - successes, episodes)
    assert (100 - high, 100 - low) == pytest.approx(mirrored)


@pytest.mark.parametrize(("successes", "episodes"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(successes: int, episodes: int) -> None:
    with pytest.raises(ValueError, match="successes of"):
        wilson_interval(successes, episodes)


def test_successes_are_counted_by_task() -> None:
    found = result("x..", "xxx", "...")
    assert list(found.by_task()) == [("task 0", 1, 3), ("task 1", 3, 3), ("task 2", 0, 3)]
    assert (found.successes, found.episodes) == (4, 9)
    assert math.isclose(found.success_rate, 400 / 9)


def test_every_episode_is_planned_once_in_the_order_of_the_result() -> None:
    plan = plan_episodes(2, 3)
    assert [(episode.task, episode.trial) for episode in plan] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_a_result_with_missing_outcomes_is_refused() -> None:
    with pytest.raises(ValueError, match="outcomes for"):
        EvaluationResult(suite="s", tasks=("a", "b"), trials=2, outcomes=(Outcome(success=True, steps=1),) * 3)


def test_the_log_has_the_original_name() -> None:
    at = "2026_11_22-09_31_07"
    assert log_name("libero_spatial", None, at) == "EVAL-libero_spatial-openvla-2026_11_22-09_31_07.txt"
    assert log_name("libero_spatial", "m-step500", at).endswith("09_31_07--m-step500.txt")


def test_the_log_has_the_original_lines() -> None:
    lines = list(log_lines(result("x.", "xx")))
    assert lines[0] == "Task suite: tabletop_new"
    assert lines[1:7] == [
        "",
        "Task: task 0",
        "Starting episode 1...",
        "Success: True",
        "# episodes completed so far: 1",
        "# successes: 1 (100.0%)",
    ]
    assert "Current task success rate: 0.5" in lines
    assert "Current total success rate: 0.75" in lines
    assert lines[-4:-1] == ["Total episodes: 4", "Total successes: 3", "Overall success rate: 0.7500 (75.0%)"]


def test_the_last_successes_line_is_the_total_that_the_original_launcher_takes() -> None:
    text = "\n".join(log_lines(result("x.x", "...", "xx.")))
    assert re.findall(r"# successes: (\d+) \(([\d.]+)%\)", text)[-1] == ("4", "44.4")
