"""A trainer's Python that writes down what it is asked, and fails."""

import json
import sys
from pathlib import Path

import pytest

FAKE = """\
#!{python}
import json, pathlib, sys
pathlib.Path(__file__).with_name("asked").write_text(json.dumps(sys.argv[1:]))
sys.exit({code})
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """From now on vlad asks it; it ends with `code`."""
    path = folder / "python"
    path.write_text(FAKE.format(python=sys.executable, code=code))
    path.chmod(0o755)
    monkeypatch.setenv("VLAD_PYTHON", str(path))


def asked(folder: Path, *tool: str) -> list[str]:
    """The words that followed those of the tool."""
    words: list[str] = json.loads((folder / "asked").read_text())
    expected = ["-m", "vlatrain.tools", *tool]
    assert words[: len(expected)] == expected
    return words[len(expected) :]
