"""vlatrain.evaluate.results: successes by task, and logs that old tools read."""

import math
import re

import pytest
from vlatrain.evaluate.results import EvaluationResult, Outcome, log_lines, log_name, plan_episodes


def result(*successes_of_task: str) -> EvaluationResult:
    """Tasks written as strings of trials, x a success."""
    outcomes = tuple(Outcome(success=mark == "x", steps=9) for task in successes_of_task for mark in task)
    tasks = tuple(f"task {number}" for number in range(len(successes_of_task)))
    return EvaluationResult(suite="tabletop_new", tasks=tasks, trials=len(successes_of_task[0]), outcomes=outcomes)


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
