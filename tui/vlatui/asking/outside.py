"""The terminal: other programs that take it for a while, and what is known of the one that somebody looks at."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from textual.app import App, SuspendNotSupported

from vlatui.asking.desktop import Multiplexer, Terminal
from vlatui.look.words import tr

ANSWER_S = 5.0
TMUX_KNOWS = "#{client_termname} #{client_termtype}\t#{allow-passthrough}"


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


def terminal(environment: Mapping[str, str] = os.environ) -> Terminal:
    """The terminal that somebody looks at; inside tmux the one that tmux is shown in. May take seconds."""
    term = environment.get("TERM", "")
    if "TMUX" in environment:
        called, _, passes = _told_by_tmux(environment).partition("\t")
        return Terminal(called.strip() or term, Multiplexer.TMUX, keeps_back=passes.strip() in ("off", "0"))
    if term.startswith("tmux"):
        return Terminal(term, Multiplexer.TMUX)
    names = [term, *(environment.get(name, "") for name in ("TERM_PROGRAM", "LC_TERMINAL"))]
    names += ["kitty"] if "KITTY_WINDOW_ID" in environment else []
    names += ["vte"] if "VTE_VERSION" in environment else []
    in_screen = "STY" in environment or term.startswith("screen")
    return Terminal(" ".join(names).strip(), Multiplexer.SCREEN if in_screen else Multiplexer.NONE)


def _told_by_tmux(environment: Mapping[str, str]) -> str:
    """What tmux calls its terminal, and whether it passes anything on to it; nothing where it does not answer."""
    try:
        done = subprocess.run(
            ["tmux", "display-message", "-p", TMUX_KNOWS], capture_output=True, text=True, check=False,
            timeout=ANSWER_S, env=dict(environment), stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
