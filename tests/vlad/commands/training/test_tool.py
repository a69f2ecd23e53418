"""vlad.commands.training.tool: a tool in the foreground ends with its command, and has the last word after Ctrl-C."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from patience import PATIENCE_S, until

TOOL = """#!/bin/sh
trap 'echo kept; exit 130' INT
trap 'echo gone > {folder}/gone; exit 143' TERM
touch {folder}/begun
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize(("number", "code", "told"), [(signal.SIGINT, 130, "kept\n"), (signal.SIGTERM, 143, "")])
def test_a_signal_ends_the_tool_and_then_its_command(
    tmp_path: Path, number: signal.Signals, code: int, told: str
) -> None:
    tool = tmp_path / "python"
    tool.write_text(TOOL.format(folder=tmp_path))
    tool.chmod(0o755)
    words = (
        f"import sys; from vlad.commands.training.tool import run_tool; sys.exit(run_tool({str(tool)!r}, ['demos']))"
    )
    with subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True, process_group=0) as command:
        try:
            until(lambda: (tmp_path / "begun").exists() and hears(command.pid), "the tool runs, and its command hears")
            if number is signal.SIGINT:
                os.killpg(command.pid, number)  # as a terminal does
            else:
                command.send_signal(number)
            assert command.communicate(timeout=PATIENCE_S)[0] == told
        finally:
            with suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
    assert command.returncode == code
    assert (tmp_path / "gone").exists() is (number is signal.SIGTERM)


def hears(pid: int) -> bool:
    """Whether a process has a handler of SIGTERM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)
