"""vlatrain.train.verifying: what `python -m vlatrain.tools verify` says of whole and of damaged checkpoints."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from training_runs import Workshop
from vlatrain.tools.cli import main


@pytest.fixture(scope="module")
def trained(shared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workshop = Workshop(shared_project / "base", shared_project / "datasets", tmp_path_factory.mktemp("trained"))
    run = workshop.run(max_steps=2, save_steps=1)
    assert run.train_here() == 0
    return run.folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """The checkpoints of steps 1 and 2."""
    return shutil.copytree(trained, tmp_path / "checkpoints")


def test_whole_checkpoints_are_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["verify", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok       {folder / 'step-000001'}"
    assert "4 files, " in lines[1]
    assert "all of the size and sha256 that were saved" in lines[1]
    assert lines[2].startswith("         step 1, optimizer state of ")
    assert lines[3] == f"ok       {folder / 'step-000002'}"


def cut(checkpoint: Path) -> None:
    path = checkpoint / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def drop_manifest_and_cut(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()
    cut(checkpoint)


def smuggle_code(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()
    (checkpoint / "trainer_state.pt").write_bytes(pickle.dumps(print, protocol=2))


def drop_optimizer(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()
    torch.save({"global_step": 2}, checkpoint / "trainer_state.pt")


def renumber(checkpoint: Path) -> None:
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    (checkpoint / "manifest.json").write_text(json.dumps({**manifest, "step": 9}))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "this checkpoint is damaged, resume from another one"),
        (drop_manifest_and_cut, "it is damaged"),
        (smuggle_code, "cannot be read"),
        (drop_optimizer, "holds no optimizer"),
        (renumber, "step 2 in trainer_state.pt, 9 in the manifest"),
    ],
)
def test_a_damaged_one_is_named_and_why(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], told: str
) -> None:
    damage(folder / "step-000002")
    capsys.readouterr()
    assert main(["verify", str(folder / "step-000002")]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"damaged  {folder / 'step-000002'}"
    assert told in second


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert f"vlatrain verify: {tmp_path}: no checkpoint is there" in capsys.readouterr().err
