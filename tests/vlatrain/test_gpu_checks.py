"""tests/gpu/check.py, which runs the checks on GPUs: nothing is left out, and bad words are refused."""

import runpy
import subprocess
import sys
from pathlib import Path

from patience import PATIENCE_S

FOLDER = Path(__file__).parents[1] / "gpu"
CHECK = FOLDER / "check.py"


def test_every_file_of_checks_is_one_part() -> None:
    made = runpy.run_path(str(CHECK))
    files = sorted(path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py"))
    assert sorted(made["SIDE_BY_SIDE"] + made["ALONE"]) == files


def test_what_measures_the_whole_card_has_it_to_itself() -> None:
    pytest_command = runpy.run_path(str(CHECK))["pytest_command"]
    assert "-n" in pytest_command(["fast"], 4, None, is_listed=False)
    assert "-n" not in pytest_command(["memory"], 1, None, is_listed=False)


def test_an_unknown_part_is_refused_in_one_line() -> None:
    done = subprocess.run([sys.executable, str(CHECK), "fats"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "check.py: error: no such part: fats"
