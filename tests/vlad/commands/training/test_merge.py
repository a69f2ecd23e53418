"""What vlad merge asks of the trainer."""

from pathlib import Path

import pytest
from asked_trainer import asked, install
from command_line import Story, Vlad, saved
from supervised_runs import Lab


@pytest.fixture(autouse=True)
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that writes down what it is asked, and fails."""
    install(tmp_path, monkeypatch, code=3)


def test_of_a_run_the_best_checkpoint_is_merged_unless_the_last_is_asked_for(
    vlad: Vlad, lab: Lab, tmp_path: Path
) -> None:
    lines = [saved(tmp_path, 100), saved(tmp_path, 200, is_best=True), saved(tmp_path, 300)]
    run_id = Story(lab, "spatial").attempt().reported(*lines).run.run_id
    answer = vlad("merge", run_id, "--out", "merged")
    assert answer.code == 3
    assert "step 200 (best)" in answer.err
    assert asked(tmp_path, "merge") == ["--adapter", str(tmp_path / "step-200"), "--out", "merged"]
    assert vlad("merge", run_id, "--out", "merged", "--last").code == 3
    assert asked(tmp_path, "merge")[1] == str(tmp_path / "step-300")


def test_without_an_evaluation_the_last_checkpoint_is_merged(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    run_id = Story(lab, "spatial").attempt().reported(saved(tmp_path, 100), saved(tmp_path, 200)).run.run_id
    assert vlad("merge", run_id, "--out", "merged").code == 3
    assert asked(tmp_path, "merge")[1] == str(tmp_path / "step-200")


def test_a_folder_may_be_named_in_the_place_of_a_run(vlad: Vlad, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    assert vlad("merge", str(tmp_path / "old"), "--out", "merged").code == 3
    assert asked(tmp_path, "merge") == ["--adapter", str(tmp_path / "old"), "--out", "merged"]


def test_any_adapter_and_base_may_be_named(vlad: Vlad, tmp_path: Path) -> None:
    words = ["--adapter", "a", "--out", "merged", "--base", "openvla/openvla-7b", "--statistics", "s.json"]
    assert vlad("merge", *words).code == 3
    assert asked(tmp_path, "merge") == words


def test_what_names_no_adapter_is_refused(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    none = Story(lab, "none").attempt().run.run_id
    gone = Story(lab, "gone").attempt().reported(saved(tmp_path, 100)).run.run_id
    (tmp_path / "step-100").rmdir()
    for words, told in [
        ([], "either a RUN or --adapter"),
        ([none, "--adapter", "a"], "either a RUN or --adapter"),
        ([none], "has saved no checkpoint"),
        ([gone], "step-100 is no longer there"),
        (["--adapter", "a", "--python", "/no/python"], "--python /no/python: no such program"),
    ]:
        answer = vlad("merge", *words, "--out", "merged")
        assert answer.code == 2
        assert told in answer.err
    assert not (tmp_path / "asked").exists()
