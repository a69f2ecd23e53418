"""What vlad plan asks of the trainer."""

from pathlib import Path

import pytest
from asked_trainer import asked, install
from command_line import Vlad


@pytest.fixture(autouse=True)
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that writes down what it is asked, and says that it does not fit."""
    install(tmp_path, monkeypatch, code=1)
    (tmp_path / "my.yaml").touch()
    monkeypatch.chdir(tmp_path)


def test_a_plan_takes_the_words_of_start_and_answers_by_its_status(vlad: Vlad, tmp_path: Path) -> None:
    words = ["8", "5000", "--config", "my.yaml", "--profile", "v100_8gpu", "--set", "batch_size=2", "--card", "V100"]
    assert vlad("plan", *words, "--json").code == 1
    assert asked(tmp_path, "plan") == [
        "my.yaml",
        "--max_steps=5000",
        "--server_profile=v100_8gpu",
        "--batch_size=2",
        "--nproc=8",
        "--card=V100",
        "--json",
    ]


def test_without_a_card_the_trainer_finds_it(vlad: Vlad, tmp_path: Path) -> None:
    assert vlad("plan", "--config", "my.yaml").code == 1
    assert asked(tmp_path, "plan") == ["my.yaml", "--nproc=auto"]


def test_a_mistake_is_one_line(vlad: Vlad, tmp_path: Path) -> None:
    answer = vlad("plan", "many", "--config", "my.yaml")
    assert answer.code == 2
    assert "NPROC 'many'" in answer.err
    assert not (tmp_path / "asked").exists()
