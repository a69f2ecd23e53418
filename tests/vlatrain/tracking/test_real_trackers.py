"""Training tracked by wandb and trackio themselves, where they are installed: without a network, over a resume."""

import json
import sqlite3
from importlib.util import find_spec
from pathlib import Path

import pytest
from training_runs import Run, Workshop


def installed(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")


def trained(run: Run, *words: str, **environment: str) -> Run:
    assert run.train(*words, environment=environment) == 0, run.jobs[-1].output
    return run


@installed("wandb")
def test_wandb_offline_has_every_step_in_one_run_over_a_resume(workshop: Workshop, tmp_path: Path) -> None:
    run = workshop.run(use_wandb=True, max_steps=2, save_steps=2)
    offline = {"WANDB_MODE": "offline", "WANDB_CONFIG_DIR": str(tmp_path), "WANDB_CACHE_DIR": str(tmp_path)}
    trained(run, **offline)
    trained(run, *run.resume(), "--max_steps", "4", **offline)
    assert run.warnings == []
    folders = sorted((run.project / "runs").glob("*/wandb/offline-run-*"))
    assert len(folders) == 2
    assert {folder.name.rpartition("-")[2] for folder in folders} == {run.directory.run_id.rpartition("-")[2]}
    told = [b"".join(file.read_bytes() for file in folder.glob("*.wandb")) for folder in folders]
    assert all(b"train/loss" in content and b"lora_rank" in content for content in told)


@installed("trackio")
def test_trackio_has_every_step_in_one_run_over_a_resume(workshop: Workshop, tmp_path: Path) -> None:
    run = workshop.run(trackers="trackio", wandb_project="arms", max_steps=2, save_steps=2)
    here = {"TRACKIO_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    trained(run, **here)
    trained(run, *run.resume(), "--max_steps", "4", **here)
    assert run.warnings == []
    with sqlite3.connect(tmp_path / "arms.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    assert {name for name, _, _ in rows} == {run.directory.run_id}
    losses = [(step, json.loads(told)["train/loss"]) for _, step, told in rows if "train/loss" in json.loads(told)]
    assert losses == [(step, pytest.approx(loss)) for step, loss, _, _ in run.steps]
