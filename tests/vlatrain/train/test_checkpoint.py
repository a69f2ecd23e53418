"""vlatrain.train.checkpoint: folders that appear whole, are kept by rule, and are refused when damaged."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from vlatrain.errors import TrainerError
from vlatrain.train.checkpoint import (
    STATE,
    CheckpointFolder,
    NotSavedError,
    checkpoints,
    claimed_folder,
    latest_checkpoint,
    verify,
)
from vlatrain.train.contents import save_torch


def filled(content: str = "weights") -> Callable[[Path], None]:
    """Writes what a checkpoint might hold."""

    def fill(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_text(content)
        (folder / STATE).write_text("{}")

    return fill


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    (tmp_path / "run").mkdir()
    return CheckpointFolder(path=tmp_path / "run", keep=2)


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Inside, writing beyond that size fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: CheckpointFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def steps(folder: CheckpointFolder) -> list[int]:
    return [step for step, _ in checkpoints(folder.path)]


def test_a_checkpoint_says_what_it_holds(folder: CheckpointFolder) -> None:
    saved = folder.write(500, filled(), 0)
    assert saved.path == folder.path / "step-000500"
    assert saved.size_bytes == len("weights")
    manifest = json.loads((saved.path / "manifest.json").read_text())
    assert manifest["step"] == 500
    assert list(manifest["files"]) == ["adapter_model.safetensors"]  # what is noted later stands outside
    assert latest_checkpoint(folder.path) == saved.path
    verify(saved.path)


def test_the_newest_and_the_best_are_kept(folder: CheckpointFolder) -> None:
    for step in (1, 2, 3, 4, 5):
        folder.write(step, filled(), 0)
        folder.prune(2)
    assert steps(folder) == [2, 4, 5]
    folder.write(6, filled(), 0)
    assert folder.prune(6) == [2, 4]
    assert steps(folder) == [5, 6]


def test_newest_means_saved_last_where_somebody_went_back(folder: CheckpointFolder) -> None:
    for step in (2, 4, 6, 3):  # resumed from step 2 after 6
        folder.write(step, filled(), 0)
    assert latest_checkpoint(folder.path) == folder.path / "step-000003"
    folder.prune(None)
    assert steps(folder) == [6, 3]


def test_a_checkpoint_of_the_same_step_is_replaced(folder: CheckpointFolder) -> None:
    folder.write(1, filled("old"), 0)
    folder.write(1, filled("new"), 0)
    assert (folder.path / "step-000001" / "adapter_model.safetensors").read_text() == "new"
    assert names(folder) == ["step-000001"]


def test_what_a_crash_left_half_done_is_cleaned(folder: CheckpointFolder) -> None:
    folder.write(1, filled("one"), 0)
    shutil.copytree(folder.path / "step-000001", folder.path / ".step-000002.new")  # killed before its rename
    (folder.path / "step-000001").rename(folder.path / ".step-000001.old")  # killed while being replaced
    assert latest_checkpoint(folder.path) is None
    folder.clean()
    assert names(folder) == ["step-000001"]
    assert (folder.path / "step-000001" / "adapter_model.safetensors").read_text() == "one"


def test_a_folder_without_manifest_is_no_checkpoint(folder: CheckpointFolder) -> None:
    (folder.path / "step-000009").mkdir()
    (folder.path / "step-9").mkdir()
    assert checkpoints(folder.path) == []
    assert checkpoints(folder.path / "missing") == []


def test_too_little_space_is_refused_before_anything_is_written(folder: CheckpointFolder) -> None:
    folder.write(1, filled("old"), 0)
    with pytest.raises(NotSavedError, match=r"GB needed in .* GB free"):
        folder.write(1, filled("new"), 1 << 60)
    assert (folder.path / "step-000001" / "adapter_model.safetensors").read_text() == "old"
    assert names(folder) == ["step-000001"]


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_behind(folder: CheckpointFolder) -> None:
    folder.write(1, filled("old"), 0)
    with largest_file(10_000), pytest.raises(NotSavedError, match="step 1 not saved"):
        folder.write(1, filled("x" * 20_000), 0)
    assert (folder.path / "step-000001" / "adapter_model.safetensors").read_text() == "old"
    assert names(folder) == ["step-000001"]


def test_a_full_disk_under_torch_save_is_told_as_such(tmp_path: Path) -> None:
    with largest_file(100_000), pytest.raises(OSError, match=r"trainer_state\.pt could not be written whole"):
        save_torch({"weights": torch.zeros(100_000)}, tmp_path / "trainer_state.pt")


def damage_size(checkpoint: Path) -> None:
    (checkpoint / "adapter_model.safetensors").write_text("weight")


def damage_content(checkpoint: Path) -> None:
    (checkpoint / "adapter_model.safetensors").write_text("wEights")


def damage_presence(checkpoint: Path) -> None:
    (checkpoint / "adapter_model.safetensors").unlink()


def damage_manifest(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").write_text('{"schema": 1, "fil')


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (damage_size, "has 6 bytes instead of 7"),
        (damage_content, "sha256 differs"),
        (damage_presence, "is missing"),
        (damage_manifest, "cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_refused(folder: CheckpointFolder, damage: Callable[[Path], None], told: str) -> None:
    saved = folder.write(1, filled(), 0)
    damage(saved.path)
    with pytest.raises(TrainerError, match=told):
        verify(saved.path)


def test_an_adapter_folder_of_the_original_script_has_no_manifest_and_passes(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    verify(tmp_path)


def test_each_history_has_a_folder_of_its_own(tmp_path: Path) -> None:
    wanted = tmp_path / "base+set"
    assert claimed_folder(wanted, "first") == wanted
    assert claimed_folder(wanted, "second") == tmp_path / "base+set--2"
    assert claimed_folder(wanted, "first") == wanted
    assert claimed_folder(wanted, "second") == tmp_path / "base+set--2"


def test_checkpoints_of_unknown_origin_are_left_alone(folder: CheckpointFolder) -> None:
    folder.write(1, filled(), 0)
    for _ in range(2):
        assert claimed_folder(folder.path, "new") == folder.path.with_name("run--2")
