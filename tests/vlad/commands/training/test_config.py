"""vlad config: values with their origins, of a run and of what would be started."""

from pathlib import Path

import pytest
from command_line import Story, Vlad


def test_the_configuration_of_a_run_is_shown_with_origins(vlad: Vlad, training: Story) -> None:
    out = vlad("config", "spatial").out
    assert [line.split() for line in out.splitlines()] == [
        ["FIELD", "VALUE", "FROM"],
        ["learning_rate", "0.0002", "my.yaml:3"],
        ["batch_size", "4", "command", "line"],
        ["prompt_template", "In:\\nOut:", "default"],
    ]
    assert "default" not in vlad("config", "spatial", "--changed").out


def test_what_would_be_started_is_shown_with_origins(
    vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("batch_size: 2\nlearning_rate: 2e-4\n")
    monkeypatch.chdir(tmp_path)
    answer = vlad("config", "--config", "mine.yaml", "--set", "batch_size=3", "--json")
    config = answer.json["config"]
    assert config["batch_size"] == {"value": 3, "origin": "command line"}
    assert config["learning_rate"] == {"value": 2e-4, "origin": "mine.yaml:2"}


def test_a_command_has_no_configuration(vlad: Vlad, failed: Story) -> None:
    answer = vlad("config", "greedy")
    assert answer.code == 2
    assert "runs a command" in answer.err


def test_either_a_run_or_a_file_has_its_configuration_shown(vlad: Vlad, training: Story) -> None:
    assert vlad("config", "spatial", "--config", "x.yaml").code == 2
