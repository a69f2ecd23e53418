"""vlad icsm: what it asks of the trainer, and how it ends."""

import json
import sys
from pathlib import Path

import pytest
from command_line import Vlad


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python that writes down what it is asked and exits with what EXIT says."""
    asked = tmp_path / "asked.json"
    python = tmp_path / "python"
    program = (
        f"import json, os, sys; json.dump(sys.argv[1:], open({str(asked)!r}, 'w')); sys.exit(int(os.environ['EXIT']))"
    )
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("VLAD_PYTHON", str(python))
    monkeypatch.chdir(tmp_path)
    return asked


@pytest.mark.parametrize("code", [0, 2])
def test_the_trainer_s_tool_is_asked_and_its_exit_code_passed_on(
    vlad: Vlad, trainer: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("EXIT", str(code))
    (trainer.parent / "my.yaml").touch()
    assert vlad("icsm", "--config", "my.yaml", "--set", "icsm_rank=64", "--profile", "v100_8gpu").code == code
    words = json.loads(trainer.read_text())
    assert words == ["-m", "vlatrain.tools", "icsm", "my.yaml", "--server_profile=v100_8gpu", "--icsm_rank=64"]


def test_a_setting_that_is_none_is_refused(vlad: Vlad, trainer: Path) -> None:
    answer = vlad("icsm", "--set", "icsm_rank")
    assert (answer.code, trainer.exists()) == (2, False)
    assert "--set icsm_rank: it must be field=value" in answer.err
