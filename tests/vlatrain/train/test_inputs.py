"""Training from nothing with both cameras and the hand's state: stopped and resumed, evaluated alone."""

import json
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
    "action_chunk": 3,
    "executed_actions": 2,
    "ema_decay": 0.9,
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
    words += ["--chunk", "3", "--stem", "conv"]
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
    for execution in ([], ["--executed_actions=3"], ["--chunk_ensembling=0.1"]):
        found = tool(["evaluate", str(whole.latest), "--device=cpu", f"--project_root={materials}", *words, *execution])
        assert found == 0
        assert "libero_spatial: 3/3" in capsys.readouterr().out
    episodes = (episode(number % 3) for number in range(20))
    data = write_rlds(materials / "held", "libero_spatial_no_noops", episodes, 1)
    assert tool(["held-out", str(whole.latest), "--data", str(data), "--frames", "5"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == 5
    assert 0 < told["l1"] <= 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"use_wrist_image": False}, "--use_wrist_image false: the base model bases/small was made with it true"),
        ({"use_proprio": False}, "--use_proprio false: the base model bases/small was made with it true"),
        ({"action_chunk": 2}, "--action_chunk 2: the base model bases/small was made for 3; set it so"),
    ],
    ids=["wrist", "proprio", "chunk"],
)
def test_inputs_that_the_model_was_not_made_for_are_refused(
    settings: dict[str, Any], told: str, materials: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_of(materials, workshop, "a", **settings).train_here() == 2
    assert told in capsys.readouterr().err
