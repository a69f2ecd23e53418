"""Runs one of the trainer's tools in the foreground, in whichever Python the trainer lives."""

import os
import subprocess
from collections.abc import Sequence

from vlad.commands.command import CliError
from vlad.commands.trainer import chosen_python
from vlad.policy.launch_argv import tool_environment


def run_tool(asked_python: str | None, words: Sequence[str]) -> int:
    """Its exit code; what it says goes where ours goes. Ctrl-C reaches it too, and it has the time that it needs."""
    python = chosen_python(asked_python)
    try:
        tool = subprocess.Popen([python, "-m", "vlatrain.tools", *words], env=tool_environment(os.environ))
    except OSError as error:
        raise CliError(f"{python} cannot be run: {error.strerror}") from None
    while True:
        try:
            return tool.wait()
        except KeyboardInterrupt:
            continue
