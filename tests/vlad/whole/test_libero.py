"""LIBERO under vlad: evaluated periodically, killed -9 in an evaluation, resumed by itself, stopped early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from patience import PATIENCE_S, until
from supervised_runs import Run
from vlad.records.progress import Phase, PhaseChange, Reason
from vlad.records.run import State
from vlad.records.rundir import Home
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.sim.episode import Episode
from vlatrain.sim.finding import found_libero
from vlatrain.sim.workers import SimulatorError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("libero"), pytest.mark.timeout(1200)]
LONG_S = 3 * PATIENCE_S
SETTINGS = {
    "vla_path": "tabletop_base",
    "dataset_name": "libero_made",
    "device": "cpu",
    "batch_size": 2,
    "max_steps": 9,
    "save_steps": 1,
    "eval_every_steps": 1,
    "enable_periodic_eval": True,
    "eval_task_suite_name": "libero_spatial",
    "eval_max_steps": 1,
    "eval_batch_size": 2,
    "sim_workers": 2,
    "eval_videos": "none",
    "early_stopping_enabled": True,
    "early_stopping_patience": 2,
    "use_wandb": False,
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a few frames that never succeeds, so that it stops after three evaluations."""
    try:
        monkeypatch.setenv("VLAD_SIM_PYTHON", found_libero(None).python)
    except SimulatorError as error:
        pytest.skip(f"no LIBERO: {error}")
    monkeypatch.setenv("VLAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VLAD_PYTHON", sys.executable)
    draws = np.random.default_rng(0)
    pictures, actions = draws.integers(0, 256, (6, 32, 32, 3), np.uint8), draws.uniform(-1, 1, (6, 7))
    one = Episode(task="t", instruction="pick it up", images=pictures, actions=actions.astype(np.float32))
    write_rlds(tmp_path / "datasets", "libero_made", [one], 1)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, "project_root": str(tmp_path)}))
    return path


def rank_of(run: Run) -> psutil.Process | None:
    """The process that trains: a child of torchrun."""
    children = psutil.Process(run.agent().pid).children()
    return children[0] if children else None


def is_playing(run: Run, step: int) -> bool:
    """Whether episodes of this step's evaluation have been played, and others have not."""
    phases = [line for line in run.directory.read_progress()[0] if isinstance(line, PhaseChange)]
    return (
        bool(phases) and (phases[-1].phase, phases[-1].step) == (Phase.EVALUATING, step) and (phases[-1].done or 0) > 0
    )


def test_a_run_killed_in_its_second_evaluation_resumes_and_stops_early_with_the_counter_intact(
    config: Path, tmp_path: Path
) -> None:
    vlad = [sys.executable, "-c", "from vlad.cli import main; main()"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*vlad, "start", "--config", str(config), "--name", "killed"], check=True, env=environment)
    [directory] = (Home(tmp_path / "home").path / "runs").iterdir()
    run = Run(Home(tmp_path / "home").run(directory.name))
    try:
        until(lambda: is_playing(run, 2), run.console, LONG_S)
        rank = rank_of(run)
        assert rank is not None
        rank.send_signal(signal.SIGKILL)
        record = run.until_ended(LONG_S)
    finally:
        subprocess.run([*vlad, "stop", "--now", "killed"], env=environment)
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.EARLY_STOP)
    assert len(record.attempts) == 2
    told = [(seen.attempt, seen.step, seen.episodes, seen.bad_evaluations) for seen in run.directory.read_evaluations()]
    assert told == [(1, 1, 10, 0), (2, 2, 10, 1), (2, 3, 10, 2)]
