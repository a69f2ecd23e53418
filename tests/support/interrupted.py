"""A tool of the trainer that gets Ctrl-C while a simulator hangs."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from patience import PATIENCE_S, until


def interrupted(words: Sequence[str], hangs: Path) -> str:
    """What the tool has told in the end. The simulator takes the file `hangs` away as it begins to hang."""
    hangs.touch()
    command = [sys.executable, "-m", "vlatrain.tools", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tool:
        try:
            until(
                lambda: not hangs.exists() or tool.poll() is not None, f"{hangs.name} hangs, and what is before is kept"
            )
            tool.send_signal(signal.SIGINT)
            _, told = tool.communicate(timeout=PATIENCE_S)
        finally:
            tool.kill()
    assert tool.returncode == 130
    return told
