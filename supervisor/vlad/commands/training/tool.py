"""Runs one of the trainer's tools in the foreground, in whichever Python the trainer lives."""

import os
import signal
import subprocess
from collections.abc import Sequence

from vlad.commands.command import CliError
from vlad.commands.training.trainer import chosen_python
from vlad.policy.launch_argv import tool_environment


def run_tool(asked_python: str | None, words: Sequence[str]) -> int:
    """Its exit code; what it says goes where ours goes. Ctrl-C reaches it too, and it has the time that it needs.

    A SIGTERM is handed on, so that no tool outlives its command.
    """
    python = chosen_python(asked_python)
    try:
        tool = subprocess.Popen([python, "-m", "vlatrain.tools", *words], env=tool_environment(os.environ))
    except OSError as error:
        raise CliError(f"{python} cannot be run: {error.strerror}") from None
    before = signal.signal(signal.SIGTERM, lambda number, frame: tool.terminate())
    try:
        return _ended(tool)
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended(tool: "subprocess.Popen[bytes]") -> int:
    """Its exit code as a shell tells it."""
    while True:
        try:
            code = tool.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code
