"""What tests of the method share: the offline statistics of the tiny base."""

from pathlib import Path

import pytest
from method_settings import method_settings
from vlatrain.tools.cli import main as tool


@pytest.fixture(scope="session")
def statistics(shared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline statistics of the tiny base, of states that enter the last two layers."""
    folder = tmp_path_factory.mktemp("icsm")
    words = [
        f"--{name}={value}" for name, value in method_settings(folder).items() if not name.startswith("thermostat")
    ]
    assert tool(["icsm", "--vla_path=base", f"--project_root={shared_project}", *words]) == 0
    return folder
