"""Other programs that take the terminal for a while: a pager, `vlad attach`, a player."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from textual.app import App, SuspendNotSupported

from vlatui.look.words import tr


def hand_over(app: App[None], argv: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Gives the terminal to a program until it ends. Returns why it could not be started, else nothing."""
    try:
        with app.suspend():
            subprocess.run(argv, env=environment, check=False)
    except (OSError, SuspendNotSupported) as error:
        return tr("{program} cannot be opened: {error}", program=argv[0], error=error)
    return ""


def pager() -> list[str]:
    """The user's pager; less shows escape sequences but obeys none except colours."""
    return shlex.split(os.environ.get("PAGER", "")) or ["less", "-R", "+G"]
