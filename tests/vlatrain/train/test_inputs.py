"""Training from nothing with both cameras and the hand's state: stopped and resumed, evaluated alone."""

from pathlib import Path
from typing import Any

import fake_simulator
import numpy as np
import pytest
from training_runs import Run, Workshop, is_same, train_state, trainer_state
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.sim.episode import Episode
from vlatrain.tools.cli import main as tool

SETTINGS: dict[str, Any] = {
    "vla_path": "bases/small",
    "dataset_name": "libero_spatial_no_noops",
    "use_lora": False,
    "use_wrist_image": True,
    "use_proprio": True,
    "soft_target_bins": 2.0,
    "learning_rate": 1e-3,
    "eval_task_suite_name": "libero_spatial",
    "eval_max_steps": 3,
    "enable_periodic_eval": True,
    "early_stopping_enabled": True,
    "sim_workers": 1,
    "eval_batch_size": 1,
    "eval_videos": "none",
    "save_steps": 2,
    "eval_every_steps": 2,
    "max_steps": 4,
    "keep_frames_on_device": True,
}


def episode(number: int) -> Episode:
    draws = np.random.default_rng(number)
    return Episode(
        task=f"task {number}",
        instruction=fake_simulator.INSTRUCTIONS[number],
        images=draws.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8),
        actions=draws.uniform(-1, 1, (8, 7)).astype(np.float32),
        wrist_images=draws.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8),
        states=draws.normal(size=(8, 8)).astype(np.float32),
    )


@pytest.fixture
def materials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Demonstrations of both cameras and the hand, and a fresh model of their words."""
    monkeypatch.setenv("VLAD_SIM_PYTHON", str(fake_simulator.fake_python(tmp_path)))
    data = write_rlds(tmp_path / "datasets", "libero_spatial_no_noops", map(episode, range(3)), 1)
    words = ["--width", "64", "--depth", "1", "--vision-width", "64", "--vision-depth", "1", "--image-size", "32"]
    fresh = ["fresh", "--data", str(data), "--out", str(tmp_path / "bases" / "small"), "--wrist", "--proprio", *words]
    assert tool(fresh) == 0
    return tmp_path


def run_of(materials: Path, workshop: Workshop, name: str, **settings: Any) -> Run:
    run = workshop.run(name, **{**SETTINGS, **settings})
    (run.project / "bases").symlink_to(materials / "bases")
    (run.project / "datasets").unlink()
    (run.project / "datasets").symlink_to(materials / "datasets")
    return run


def test_a_small_model_learns_from_nothing_resumes_to_the_bit_and_is_evaluated_alone(
    materials: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = (run_of(materials, workshop, name) for name in ("whole", "parts"))
    assert whole.train_here() == 0
    assert parts.train_here("--max_steps", "2") == 0
    assert parts.train_here(*parts.resume()) == 0
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))
    assert train_state(parts.latest) == train_state(whole.latest)
    assert [seen.successes for seen in whole.evaluations] == [3, 3]
    capsys.readouterr()
    words = ["--eval_task_suite_name=libero_spatial", "--eval_max_steps=3", "--sim_workers=1", "--eval_videos=none"]
    assert tool(["evaluate", str(whole.latest), "--device=cpu", f"--project_root={materials}", *words]) == 0
    assert "libero_spatial: 3/3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"use_wrist_image": False}, "--use_wrist_image false: the base model bases/small was made with it true"),
        ({"use_proprio": False}, "--use_proprio false: the base model bases/small was made with it true"),
    ],
    ids=["wrist", "proprio"],
)
def test_inputs_that_the_model_was_not_made_for_are_refused(
    settings: dict[str, Any], told: str, materials: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_of(materials, workshop, "a", **settings).train_here() == 2
    assert told in capsys.readouterr().err
