"""Which adapters lie on the disk."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from vlad.records.torch_file import step_of_trainer_state
from vlatrain.adapters import TRAINER_STATE, adapters_in, found_adapter, latest_adapter


def adapter(folder: Path, saved_at: float = 1000.0, weights: str = "adapter_model.safetensors") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / weights).touch()
    os.utime(folder / weights, (saved_at, saved_at))
    return folder


def trained(folder: Path, step: int) -> Path:
    """With the trainer_state.pt of the original script."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    state = {"global_step": step, "optimizer": optimizer.state_dict(), "scheduler": schedule.state_dict()}
    torch.save(state, folder / TRAINER_STATE)
    return folder


def checkpoint(folder: Path, step: int, saved_at: float) -> Path:
    """One of ours."""
    adapter(folder)
    (folder / "train_state.json").write_text(json.dumps({"state": {"step": step}}))
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": {}, "saved_at": saved_at}))
    return folder


def test_an_original_adapter_tells_its_step_by_its_trainer_state(tmp_path: Path) -> None:
    found = found_adapter(trained(adapter(tmp_path / "run", 5.0), 500))
    assert found is not None
    assert (found.path, found.step, found.saved_at) == (tmp_path / "run", 500, 5.0)


def test_one_of_ours_tells_step_and_time_itself(tmp_path: Path) -> None:
    found = found_adapter(checkpoint(tmp_path / "moved-by-hand", 70, 9.5))
    assert found is not None
    assert (found.step, found.saved_at) == (70, 9.5)


@pytest.mark.parametrize(
    ("name", "step"),
    [("step-000700", 700), ("checkpoint-20", 20), ("run--5000_chkpt", 5000), ("lora-r16", None), ("b8+lr-2e-4", None)],
)
def test_otherwise_the_name_may_tell_the_step(tmp_path: Path, name: str, step: int | None) -> None:
    found = found_adapter(adapter(tmp_path / name))
    assert found is not None
    assert found.step == step


@pytest.mark.parametrize("absent", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_folder_with_half_an_adapter_is_none(tmp_path: Path, absent: str) -> None:
    (adapter(tmp_path) / absent).unlink()
    assert found_adapter(tmp_path) is None


def test_an_adapter_of_old_files_is_found_too(tmp_path: Path) -> None:
    assert found_adapter(adapter(tmp_path, weights="adapter_model.bin")) is not None


def test_adapters_of_a_folder_come_oldest_first_whatever_their_steps(tmp_path: Path) -> None:
    checkpoint(tmp_path / "step-000300", 300, 3.0)
    checkpoint(tmp_path / "step-000100", 100, 4.0)
    adapter(tmp_path, 1.0)
    adapter(tmp_path / ".step-000400.new")
    (tmp_path / "step-000500").mkdir()
    assert [one.path.name for one in adapters_in(tmp_path)] == [tmp_path.name, "step-000300", "step-000100"]
    assert adapters_in(tmp_path / "nowhere") == []


def test_the_latest_is_the_folder_itself_or_the_one_saved_last_in_it(tmp_path: Path) -> None:
    last = checkpoint(tmp_path / "step-000100", 100, 4.0)
    checkpoint(tmp_path / "step-000300", 300, 3.0)
    assert latest_adapter(tmp_path) == last
    assert latest_adapter(adapter(tmp_path)) == tmp_path
    assert latest_adapter(tmp_path / "nowhere") == tmp_path / "nowhere"


class Mischief:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_reading_a_step_runs_nothing_of_the_file(tmp_path: Path) -> None:
    torch.save({"global_step": 3, "bad": Mischief(tmp_path / "made")}, tmp_path / TRAINER_STATE)
    assert step_of_trainer_state(tmp_path / TRAINER_STATE) == 3
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"\x80\x02N.", b"\x80\x02}(X\x0b\x00\x00\x00global_step", 9999 * b"("]
)
def test_a_broken_pickle_in_an_archive_tells_no_step(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / TRAINER_STATE, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    assert step_of_trainer_state(tmp_path / TRAINER_STATE) is None


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", pickle.dumps({"global_step": 3})])
def test_a_foreign_trainer_state_tells_no_step(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TRAINER_STATE).write_bytes(content)
    assert step_of_trainer_state(tmp_path / TRAINER_STATE) is None
    torch.save({"epoch": 3}, tmp_path / TRAINER_STATE)
    assert step_of_trainer_state(tmp_path / TRAINER_STATE) is None
