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
    interrupts = signal.getsignal(signal.SIGINT)
    if interrupts is not signal.SIG_IGN:  # which the tool inherits; a handler it does not
        signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return _ended([python, "-m", "vlatrain.tools", *words])
    except OSError as error:
        raise CliError(f"{python} cannot be run: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, interrupts)


def _ended(argv: list[str]) -> int:
    """The exit code of the program as a shell tells it."""
    tool = subprocess.Popen(argv, env=tool_environment(os.environ))
    before = signal.signal(signal.SIGTERM, lambda number, frame: tool.terminate())
    try:
        code = tool.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code
