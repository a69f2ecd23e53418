"""What a run goes on from: checkpoints of ours and of the original script, whole or damaged."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from training_runs import EVALUATED, Run, Workshop, train_state
from vlad.records.progress import CheckpointSaved, Reason, Step


def test_a_finished_run_that_is_resumed_trains_no_further(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2, **EVALUATED)
    assert run.train_here(*run.resume()) == 0
    assert [line.step for line in run.told(Step)] == [1, 2]
    assert (run.saved_steps, len(run.evaluations)) == ([2, 2], 1)  # once saved, once noted as the best
    assert run.finished.reason is Reason.MAX_STEPS


def test_a_run_started_anew_leaves_the_checkpoints_of_an_earlier_one(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2)
    before = (run.latest / "manifest.json").read_bytes()
    assert run.train_here(VLAD_RUN_ID="another") == 0
    assert run.latest.parent.name.endswith("--2")
    assert (run.told(CheckpointSaved)[0].path, before) == (
        str(run.latest.parent.with_name(run.latest.parent.name.removesuffix("--2")) / "step-000002"),
        (Path(run.told(CheckpointSaved)[0].path) / "manifest.json").read_bytes(),
    )


def original_style(run: Run, folder: Path, **state: object) -> Path:
    """The adapter folder of the original script: the adapter, and its own trainer_state.pt."""
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(run.latest / name, folder / name)
    torch.save({"global_step": 2, **state}, folder / "trainer_state.pt")
    return folder


def test_what_an_original_adapter_folder_lacks_is_told(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2, save_steps=2)
    other = {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0, 1, 2]}]}
    folder = original_style(run, workshop.folder / "original", optimizer=other)
    assert run.train_here("--resume_adapter_dir", str(folder), "--max_steps", "3") == 0
    assert ["it is of 3 parameters" in message for message in run.warnings] == [True]
    (folder / "trainer_state.pt").unlink()
    words = ("--resume_adapter_dir", str(folder), "--resume_global_step", "7", "--max_steps", "8")
    assert run.train_here(*words) == 0
    assert run.told(Step)[-1].step == 8
    assert any("does not say its step: 7 is taken" in message for message in run.warnings)


def test_a_damaged_checkpoint_is_refused(workshop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    run = workshop.trained(max_steps=2)
    path = run.latest / "trainer_state.pt"
    path.write_bytes(path.read_bytes()[:-100])
    assert run.train_here(*run.resume(), "--max_steps", "4") == 2
    assert "this checkpoint is damaged, resume from another one" in capfd.readouterr().err


def test_other_data_starts_the_order_anew(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2)
    state_file = run.latest / "train_state.json"
    known = json.loads(state_file.read_text())
    known["data"]["samples"] = 1000
    state_file.write_text(json.dumps(known))
    assert run.train_here(*run.resume(), "--max_steps", "4") == 0
    assert any("the order starts anew" in message for message in run.warnings)
    assert train_state(run.latest).position == 2 * 2
