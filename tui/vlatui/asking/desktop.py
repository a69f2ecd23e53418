"""How a terminal is asked for a notification of the desktop: OSC 9, 777 or 99, and through tmux and screen. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from vlatui.look.tones import safe

MOST_CHARACTERS = 200
NAME = "vlatui"
ESCAPE, BELL = "\x1b", "\x07"


class Multiplexer(StrEnum):
    """What stands between us and the terminal; each takes what it is to pass on in an envelope of its own."""

    NONE = "none"
    TMUX = "tmux"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class Terminal:
    """`names`: everything that the terminal is called, in any case, in one text. `keeps_back`: nothing passes tmux."""

    names: str
    multiplexer: Multiplexer = Multiplexer.NONE
    keeps_back: bool = False


KNOW_99 = ("kitty",)
KNOW_777 = ("ghostty", "foot", "rxvt", "vte", "contour")
KNOW_NONE = ("linux", "dumb", "vt100", "vt220", "cons25")


def desktop_notification(words: str, terminal: Terminal) -> str:
    """What to send the terminal, empty for one that knows no such thing.

    The words come first behind our name: some terminals take a number there for a command. Each sequence ends with a
    bell, since the other end of a sequence would also end the envelope of screen.
    """
    names = terminal.names.lower()
    if not names or names.split()[0] in KNOW_NONE:
        return ""
    told = harmless(words)
    if any(name in names for name in KNOW_99):
        body = f"99;;{NAME}: {told}"
    elif any(name in names for name in KNOW_777):
        body = f"777;notify;{NAME};{told}"
    else:
        body = f"9;{NAME}: {told}"
    return enveloped(f"{ESCAPE}]{body}{BELL}", terminal.multiplexer)


def harmless(words: str) -> str:
    """One short line without any control character, and without the sign that separates parts of a sequence."""
    text = "".join(one if one.isprintable() else " " for one in safe(words)).replace(";", ",")
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def enveloped(sequence: str, multiplexer: Multiplexer) -> str:
    match multiplexer:
        case Multiplexer.TMUX:
            return f"{ESCAPE}Ptmux;{sequence.replace(ESCAPE, 2 * ESCAPE)}{ESCAPE}\\"
        case Multiplexer.SCREEN:
            return f"{ESCAPE}P{sequence}{ESCAPE}\\"
        case Multiplexer.NONE:
            return sequence
