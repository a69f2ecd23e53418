"""Fixtures of the supervisor's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Vlad
from hypothesis import settings
from supervised_runs import Lab

settings.register_profile("any machine", deadline=None)  # tests assert structure, not how fast a machine is
settings.load_profile("any machine")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Starts runs in a home of their own, and ends all their processes after the test."""
    monkeypatch.setenv("VLAD_HOME", str(tmp_path / "home"))
    laboratory = Lab(tmp_path)
    yield laboratory
    laboratory.close()


@pytest.fixture
def vlad(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Iterator[Vlad]:
    """The vlad command in the home of `lab`."""
    command = Vlad(lab, capsys)
    yield command
    command.remember_runs()
