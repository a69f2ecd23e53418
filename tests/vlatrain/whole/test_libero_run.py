"""A run that evaluates on simulators which are processes: killed in an evaluation, resumed, stopped early."""

from pathlib import Path
from typing import Any

import fake_simulator
from training_runs import Run, Workshop, train_state

SETTINGS: dict[str, Any] = {
    "eval_task_suite_name": "libero_spatial",
    "eval_num_trials_per_task": 2,
    "eval_max_steps": 3,
    "enable_periodic_eval": True,
    "early_stopping_enabled": True,
    "early_stopping_patience": 2,
    "sim_workers": 2,
    "eval_batch_size": 2,
    "save_steps": 1,
    "eval_every_steps": 1,
    "max_steps": 6,
}


def counters(run: Run) -> list[tuple[int, int | None, int]]:
    return [(seen.step, seen.best_step, seen.bad_evaluations) for seen in run.evaluations]


def test_the_counter_survives_a_kill_in_an_evaluation_and_the_run_stops_early(workshop: Workshop, faults: Path) -> None:
    run = workshop.run(**SETTINGS)
    (faults / "crash-0-0-1").touch()
    assert run.train(environment={"VLAD_FAILPOINTS": "in_evaluation_1:kill"}) != 0
    assert counters(run) == [(1, 1, 0)]
    assert run.evaluations[0].repeats == 1
    assert run.evaluations[0].versions == fake_simulator.VERSIONS
    assert run.train(*run.resume()) == 0, run.jobs[-1].output
    assert counters(run) == [(1, 1, 0), (2, 1, 1), (3, 1, 2)]
    assert run.finished.reason == "EARLY_STOP"
    assert train_state(run.latest).early_stop.bad_evaluations == 2
    assert "Early stopping at step 3" in run.jobs[-1].output


def test_an_evaluation_that_fails_is_told_and_training_goes_on(workshop: Workshop, faults: Path) -> None:
    (faults / "always-dumb").touch()
    run = workshop.run(**{**SETTINGS, "max_steps": 2})
    assert run.train() == 0, run.jobs[-1].output
    assert run.finished.step == 2
    assert [seen.failure is not None for seen in run.evaluations] == [True, True]
    assert "simulators do not start" in (run.evaluations[0].failure or "")
    assert any("could not be played" in warning for warning in run.warnings)
    assert train_state(run.latest).evaluated_step == 2
    assert [(seen.best, seen.bad_evaluations) for seen in run.evaluations] == [(None, 0)] * 2
