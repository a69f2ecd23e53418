"""Evaluations beside training: runs of their own, joined by step, counted in order, waited for at the end."""

from functools import partial
from pathlib import Path
from typing import Any

import fake_simulator
import pytest
from patience import until
from training_runs import Run, Workshop, train_state
from vlad.records.history import name_in
from vlad.records.progress import PhaseChange, Warned, WarningOver
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import Kind, RunSpec
from vlad.supervise.create import create_run
from vlatrain.train.elsewhere import BEHIND, behind

SETTINGS: dict[str, Any] = {
    "eval_task_suite_name": "libero_spatial",
    "eval_max_steps": 3,
    "enable_periodic_eval": True,
    "early_stopping_enabled": True,
    "sim_workers": 1,
    "eval_batch_size": 1,
    "eval_videos": "none",
    "save_steps": 1,
    "eval_every_steps": 1,
    "max_steps": 2,
    "keep_checkpoints": 1,
    "eval_on": "cpu",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Where the evaluations' own runs are kept."""
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path / "faults"))
    monkeypatch.setenv("VLAD_SIM_PYTHON", str(fake_simulator.fake_python(tmp_path)))
    monkeypatch.setenv("VLAD_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


def test_checkpoints_are_evaluated_by_runs_of_their_own_and_count_when_they_arrive(
    workshop: Workshop, home: Home
) -> None:
    run, own = workshop.run(**SETTINGS), run_elsewhere(home, "20261122-0931-spatial-7f3a")
    assert run.train_here(VLAD_RUN_ID=own.run_id) == 0
    told = [
        (seen.step, seen.successes, seen.episodes, seen.best_step, seen.bad_evaluations) for seen in run.evaluations
    ]
    assert told == [(1, 3, 3, 1, 0), (2, 3, 3, 1, 1)]
    assert run.finished.reason == "MAX_STEPS"
    assert train_state(run.latest).pending == ()
    assert standing_warnings(run) == [behind((1,)), None], "it goes when the first result has joined"
    waits = {(line.step, line.of_step) for line in run.told(PhaseChange) if line.of_step is not None}
    assert waits <= {(2, 1), (2, 2)}, "training stands at its last step while it waits"
    assert (2, 2) in waits
    assert sorted(path.name for path in run.folder.glob("step-*")) == ["step-000001", "step-000002"], "the best stays"
    others = [home.run(run_id).read_record() for run_id in home.run_ids() if run_id != own.run_id]
    assert sorted(other.full_name for other in others) == ["eval-step1 of spatial", "eval-step2 of spatial"]


def run_elsewhere(home: Home, run_id: str) -> RunDirectory:
    """A run on record that nobody looks after here."""
    spec = RunSpec(
        run_id=run_id, name=name_in(run_id), kind=Kind.TRAIN, argv=("true",), cwd="/", created_at=1.0,
        created_by="a test", host="another-host",
    )  # fmt: skip
    return create_run(home, spec)


def standing_warnings(run: Run) -> list[str | None]:
    """What was told of evaluations that are behind, in order; None where it was taken back."""
    lines = run.directory.read_progress()[0]
    told = [line for line in lines if isinstance(line, (Warned, WarningOver)) and line.about == BEHIND]
    return [line.message if isinstance(line, Warned) else None for line in told]


def test_an_evaluation_whose_run_fails_is_a_result_with_its_reason(
    workshop: Workshop, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    run = workshop.run(**{**SETTINGS, "max_steps": 1, "eval_run_id_note": "x"})
    (home.path.parent / "faults" / "always-dumb").touch()
    assert run.train_here() == 0
    [seen] = run.evaluations
    assert seen.failure is not None
    assert "simulators do not start" in seen.failure
    assert (seen.best, seen.bad_evaluations) == (None, 0)
    told = capfd.readouterr().out
    assert "[eval] step 1 failed: " in told
    assert "success_rate=" not in told, "it is no measurement"


@pytest.mark.slow
def test_a_result_that_was_joined_before_a_kill_is_told_once(workshop: Workshop, home: Home) -> None:
    """The second attempt tells of the result of step 2 and is killed before it saves that it did."""
    run = workshop.run(**{**SETTINGS, "max_steps": 3, "save_steps": 2, "eval_every_steps": 2})
    assert run.train(environment={"VLAD_FAILPOINTS": "step_3:kill"}) != 0
    [path] = (home.path / "runs").iterdir()
    until(partial(is_over, home.run(path.name)), path.name)
    rarely = ("--save_steps", "4", "--eval_every_steps", "4")
    assert run.train(*run.resume(), *rarely, environment={"VLAD_FAILPOINTS": "step_3:kill"}) != 0
    assert [seen.step for seen in run.evaluations] == [2]
    assert train_state(run.latest).pending == (2,)
    assert run.train(*run.resume(), *rarely) == 0, run.jobs[-1].output
    assert [seen.step for seen in run.evaluations] == [2, 3]
    assert train_state(run.latest).pending == ()


@pytest.mark.parametrize(
    ("steps", "named"), [((5,), "5"), ((5, 10, 15), "5, 10, 15"), ((5, 10, 15, 20, 25), "5, 10, 15 and 2 more")]
)
def test_few_of_many_evaluations_that_are_behind_are_named(steps: tuple[int, ...], named: str) -> None:
    assert behind(steps) == f"evaluations are behind training: those of step {named} have not ended yet"


@pytest.mark.slow
def test_a_run_killed_while_an_evaluation_goes_on_elsewhere_joins_it_when_resumed(
    workshop: Workshop, home: Home
) -> None:
    run = workshop.run(**SETTINGS)
    assert run.train(environment={"VLAD_FAILPOINTS": "step_2:kill"}) != 0
    assert run.evaluations == []
    assert train_state(run.latest).pending == (1,)
    assert run.train(*run.resume()) == 0, run.jobs[-1].output
    assert [(seen.step, seen.best_step, seen.bad_evaluations) for seen in run.evaluations] == [(1, 1, 0), (2, 1, 1)]
    assert train_state(run.latest).pending == ()
    assert len(list((home.path / "runs").iterdir())) == 2, "each checkpoint was evaluated once"


def is_over(run: RunDirectory) -> bool:
    return run.read_record().state.is_final


@pytest.mark.slow
def test_an_early_stop_that_arrives_ends_the_run_and_the_evaluations_nobody_waits_for(
    workshop: Workshop, home: Home
) -> None:
    """As fast as steps are made, many are behind when the second result says stop."""
    settings = {"early_stopping_patience": 1, "max_steps": 100_000, "save_steps": 400, "eval_every_steps": 400}
    run = workshop.run(**{**SETTINGS, **settings})
    assert run.train() == 0, run.jobs[-1].output
    assert [(seen.step, seen.bad_evaluations) for seen in run.evaluations] == [(400, 0), (800, 1)]
    assert (run.finished.reason, run.finished.step < 100_000) == ("EARLY_STOP", True)
    others = list((home.path / "runs").iterdir())
    assert len(others) <= 3, "on the CPU one goes on at a time"
    for path in others:
        other = home.run(path.name)
        until(partial(is_over, other), other.run_id)
