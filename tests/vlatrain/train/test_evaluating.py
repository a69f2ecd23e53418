"""Evaluations while training: when, what is recorded, the early stop."""

import re
from pathlib import Path

import pytest
from training_runs import EVALUATED, Workshop, train_state
from vlad.records.progress import Reason
from vlad.records.requests import Action


def test_evaluates_before_the_first_step_where_wanted(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2, eval_at_start=True, **EVALUATED)
    assert [seen.step for seen in run.evaluations] == [0, 2]
    assert run.saved_steps == [2]


def test_an_evaluation_is_recorded_with_its_interval_its_tasks_and_its_log(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2, eval_num_trials_per_task=2, eval_run_id_note="note", **EVALUATED)
    [seen] = run.evaluations
    assert (seen.step, seen.suite, seen.successes, seen.episodes, seen.success_rate) == (2, "tabletop_new", 0, 20, 0.0)
    assert (seen.low, seen.high) == pytest.approx((0.0, 16.11), abs=0.01)
    assert [(task.successes, task.episodes) for task in seen.tasks] == [(0, 2)] * 10
    assert (seen.best, seen.best_step, seen.improved, seen.checkpoint) == (0.0, 2, True, str(run.latest))
    assert seen.log is not None
    log = Path(seen.log)
    assert re.fullmatch(r"EVAL-tabletop_new-openvla-[\d_-]+--note-step2\.txt", log.name)
    assert "# successes: 0 (0.0%)" in log.read_text()


def test_an_evaluation_does_not_disturb_training(workshop: Workshop) -> None:
    """Dropout draws from the same generators as without it."""
    without = workshop.trained("without", max_steps=4, lora_dropout=0.3, save_steps=2)
    with_some = workshop.trained("with", max_steps=4, lora_dropout=0.3, eval_at_start=True, **EVALUATED)
    assert without.steps == with_some.steps


def test_early_stop_ends_the_run_and_its_counter_survives_a_resume(workshop: Workshop) -> None:
    settings = {"max_steps": 100, "early_stopping_enabled": True, "early_stopping_patience": 3, **EVALUATED}
    whole = workshop.trained("whole", **settings)
    assert (whole.finished.step, whole.finished.reason) == (8, Reason.EARLY_STOP)
    parts = workshop.trained("parts", **{**settings, "max_steps": 6})
    assert parts.train_here(*parts.resume(), "--max_steps", "100") == 0
    assert (parts.finished.step, parts.finished.reason) == (8, Reason.EARLY_STOP)
    assert [seen.bad_evaluations for seen in parts.evaluations] == [0, 1, 2, 3]
    assert train_state(parts.latest) == train_state(whole.latest)


def test_too_few_episodes_for_min_delta_draw_a_warning(workshop: Workshop) -> None:
    settings = {"max_steps": 2, "early_stopping_enabled": True, **EVALUATED}
    run = workshop.trained("few", early_stopping_min_delta=0.1, **settings)
    assert any("cannot be told by 10 episodes" in message for message in run.warnings)
    assert workshop.trained("enough", early_stopping_min_delta=10, **settings).warnings == []


def test_an_evaluation_without_a_suite_is_answered_too(workshop: Workshop) -> None:
    run = workshop.run(max_steps=1)
    asked = run.ask(Action.EVALUATE)
    assert run.train_here() == 0
    assert "enable_periodic_eval" in run.answers[asked.id]


def test_a_stop_during_an_evaluation_gives_it_up(workshop: Workshop) -> None:
    run = workshop.run(max_steps=4, **EVALUATED)
    assert run.train_here(VLAD_FAILPOINTS="in_evaluation:term", VLAD_FAILPOINTS_ONCE=str(workshop.folder)) == 0
    assert (run.finished.stopped, run.finished.step, run.evaluations) == (True, 2, [])
    assert train_state(run.latest).evaluated_step == -1
    assert run.train_here(*run.resume()) == 0
    assert [seen.step for seen in run.evaluations] == [2, 4]
