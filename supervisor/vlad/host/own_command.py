"""Runs vlad itself, by its arguments, in a process that shares neither terminal nor session with whoever asks."""

import os
import subprocess
import sys
from collections.abc import Sequence

from vlad.records.rundir import Home

VLAD = (sys.executable, "-P", "-m", "vlad.cli")
LIMIT_S = 120.0


def run_vlad(arguments: Sequence[str], home: Home, cwd: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Waits for its end. One that takes longer than LIMIT_S has exit code 124 and says so.

    Raises OSError where it cannot be started.
    """
    argv = [*VLAD, *arguments]
    try:
        return subprocess.run(
            argv, cwd=cwd, env=environment_of(home), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", start_new_session=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        said = f"vlad {arguments[0]} did not answer within {LIMIT_S:.0f} s"
        return subprocess.CompletedProcess(argv, 124, "", said)


def environment_of(home: Home) -> dict[str, str]:
    """The environment for `vlad`: that of this process, and this home."""
    return {**os.environ, "VLAD_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}
