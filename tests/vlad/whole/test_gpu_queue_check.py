"""The check that is run once on true GPUs tells its story here without any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_check_of_the_gpu_queue_holds_without_gpus() -> None:
    words = [sys.executable, str(ROOT / "benchmarks" / "gpu_queue_check.py"), "--pretend"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "supervisor")}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as it should be" in done.stdout
