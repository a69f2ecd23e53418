"""Adapters found on the disk."""

import pickle
import zipfile
from pathlib import Path

import pytest
from fake_runs import NOW, training_run
from saved_adapters import saved_adapter
from vlad.records.adapters import evaluations_of, find_adapters
from vlad.records.rundir import Home


def test_adapters_are_found_in_both_layouts_newest_first(tmp_path: Path) -> None:
    ours = saved_adapter(tmp_path / "spatial" / "step-000400", age_s=20)
    theirs = saved_adapter(tmp_path / "base+spatial--2000_chkpt", age_s=10)
    saved_adapter(tmp_path / "too" / "deep" / "to" / "step-000001", age_s=1)
    found = find_adapters([tmp_path, tmp_path / "spatial", tmp_path / "missing"])
    assert [(one.path, one.step, one.name) for one in found] == [
        (theirs, 2000, "base+spatial--2000_chkpt"),
        (ours, 400, "spatial"),
    ]


def test_the_step_of_an_adapter_of_the_original_script_is_in_its_trainer_state(tmp_path: Path) -> None:
    folder = saved_adapter(tmp_path / "base+spatial+b16", age_s=5)
    with zipfile.ZipFile(folder / "trainer_state.pt", "w") as archive:
        archive.writestr("trainer_state/data.pkl", pickle.dumps({"global_step": 500, "optimizer": {}}))
    (found,) = find_adapters([tmp_path])
    assert found.step == 500


def test_an_adapter_has_the_success_that_a_run_told_of_it(tmp_path: Path) -> None:
    folder = saved_adapter(tmp_path / "final", age_s=5)
    run = training_run(Home(tmp_path / "home").prepare())
    run.evaluation(350, 45, 50, 90.0, 0, at=NOW, checkpoint=str(folder))
    (found,) = find_adapters([tmp_path], evaluations_of([run.directory]))
    assert (found.step, found.success_rate, found.episodes) == (350, 90.0, 50)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["a file", "an empty folder"])
def test_where_there_is_none_none_is_found(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "place")
    assert find_adapters([tmp_path / "place"]) == ()
