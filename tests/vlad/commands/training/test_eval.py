"""What vlad eval and vlad demos ask of the trainer."""

from pathlib import Path

import pytest
from asked_trainer import asked, install
from command_line import Story, Vlad, saved
from supervised_runs import Lab


@pytest.fixture(autouse=True)
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that writes down what it is asked, and fails."""
    install(tmp_path, monkeypatch, code=3)


def test_of_a_run_the_best_checkpoint_is_measured_as_the_run_was_configured(
    vlad: Vlad, lab: Lab, tmp_path: Path
) -> None:
    run = Story(lab, "spatial").attempt().reported(saved(tmp_path, 100, is_best=True), saved(tmp_path, 200)).run
    assert vlad("eval", run.run_id, "--trials", "50").code == 3
    assert asked(tmp_path) == [
        "evaluate", str(tmp_path / "step-100"), str(run.spec), "--eval_num_trials_per_task=50",
    ]  # fmt: skip
    assert vlad("eval", run.run_id, "--last").code == 3
    assert asked(tmp_path)[1] == str(tmp_path / "step-200")


def test_any_checkpoint_may_be_named_with_suite_and_fields(vlad: Vlad, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    words = ["--suite", "libero_goal", "--sim-python", "/opt/libero/bin/python", "--set", "eval_max_steps=9"]
    assert vlad("eval", str(folder), *words, "--tasks", "0", "3", "--result", "r.json").code == 3
    assert asked(tmp_path) == [
        "evaluate", str(folder), "--eval_task_suite_name=libero_goal", "--sim_python=/opt/libero/bin/python",
        "--eval_tasks=[0,3]", "--eval_max_steps=9", "--result=r.json",
    ]  # fmt: skip


def test_what_is_neither_a_folder_nor_a_run_is_refused_in_one_line(vlad: Vlad, lab: Lab) -> None:
    answer = vlad("eval", "nothing-like-it")
    assert answer.code == 2
    assert answer.err.startswith("vlad: nothing-like-it: no such folder, and no run either")
    assert answer.err.count("\n") == 1


def test_demonstrations_are_asked_for_with_every_word(vlad: Vlad, tmp_path: Path) -> None:
    words = ["--suite", "libero_spatial", "--episodes", "500", "--out", "d", "--tasks", "0", "3", "--shaky", "--hdf5"]
    assert vlad("demos", *words, "--workers", "8").code == 3
    assert asked(tmp_path) == [
        "demos", "--suite=libero_spatial", "--episodes=500", "--out=d", "--workers=8", "--shaky", "--hdf5",
        "--tasks", "0", "3",
    ]  # fmt: skip


def test_states_to_be_rendered_are_handed_on(vlad: Vlad, tmp_path: Path) -> None:
    assert vlad("demos", "--suite", "libero_spatial", "--render", "a.hdf5", "b", "--out", "d").code == 3
    assert asked(tmp_path) == ["demos", "--suite=libero_spatial", "--out=d", "--render", "a.hdf5", "b"]
