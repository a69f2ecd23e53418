"""Data sets of other formats are told by their files, and imported once as RLDS."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from foreign_sets import LENGTHS, TASKS, write_hdf5, write_v2, write_v3
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.importing import Format, format_of, imported
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.tfrecord import TFRecordWriter
from vlatrain.data.training_set import open_training_set
from vlatrain.errors import TrainerError


def test_the_format_is_told_by_the_files(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    write_v2(tmp_path / "a", False)
    write_hdf5(tmp_path / "b" / "task_demo.hdf5")
    folders = [tmp_path / "a", tmp_path / "b", make_set(2, 2), tmp_path / "absent"]
    assert [format_of(folder) for folder in folders] == [Format.LEROBOT, Format.HDF5, Format.RLDS, Format.RLDS]


def test_a_set_is_imported_once_and_again_when_it_changes(tmp_path: Path) -> None:
    told: list[int] = []
    source, cache = tmp_path / "libero_object", tmp_path / "cache"
    write_hdf5(source / "task_demo.hdf5")
    folder = imported(source, cache, told.append)
    assert told == [1, 2, 3]
    assert imported(source, cache, lambda _: pytest.fail("imported again")) == folder
    frames = RLDSDataset(folder)
    assert (frames.name, len(frames)) == ("libero_object", sum(LENGTHS))
    assert {int(frames[place].image[0, 0, 0]) // 60 for place in range(len(frames))} == {0, 1, 2}
    os.utime(source / "task_demo.hdf5", ns=(0, 0))
    assert imported(source, cache, told.append) != folder
    assert told == [1, 2, 3, 1, 2, 3]


def test_an_import_that_finds_no_place_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "libero_object" / "task_demo.hdf5")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(TrainerError, match=r"import as RLDS, and .*/cache/imported/\w+ cannot be written: Not a direc"):
        imported(tmp_path / "libero_object", tmp_path / "cache")


def test_a_disk_that_fills_up_in_an_import_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hdf5(tmp_path / "libero_object" / "task_demo.hdf5")
    monkeypatch.setattr(TFRecordWriter, "write", fill_the_disk)
    with pytest.raises(TrainerError, match=r"cannot be written: No space left on device; make room there"):
        imported(tmp_path / "libero_object", tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".libero_object.lock"]


def fill_the_disk(_: TFRecordWriter, payload: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_training_takes_a_folder_of_another_format_as_it_is(tmp_path: Path) -> None:
    write_v3(tmp_path / "data" / "libero_goal", True)
    config = FinetuneConfig(data_root_dir=tmp_path / "data", cache_dir=tmp_path / "cache", dataset_name="libero_goal")
    training_set = open_training_set(config)
    assert training_set.name == "libero_goal"
    assert sorted(training_set.instructions) == sorted(TASKS)
    assert len(training_set) == sum(LENGTHS)
