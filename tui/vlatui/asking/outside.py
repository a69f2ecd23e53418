"""Other programs that take the terminal for a while: a pager, `vlad attach`, a player."""

import subprocess
from collections.abc import Mapping, Sequence

from textual.app import App, SuspendNotSupported


def hand_over(app: App[None], argv: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Gives the terminal to a program until it ends. Returns why that could not be, empty where all went well."""
    try:
        with app.suspend():
            done = subprocess.run(
                argv, env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False
            )
    except (OSError, SuspendNotSupported) as error:
        return f"{argv[0]} cannot be opened: {error}"
    said = done.stderr.strip().splitlines()
    return (said[-1] if said else f"exit code {done.returncode}") if done.returncode else ""
