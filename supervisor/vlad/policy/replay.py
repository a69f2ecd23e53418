"""What somebody who attaches to a terminal is shown of what was written before. Pure."""

import re
from dataclasses import dataclass

from vlad.records.terminal_text import clean_line

ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
BLANK = b"\x1b[2J\x1b[H"
BACKSPACE = 8
_SCREENS = re.compile(rb"(?:\A|\x1b\[\?1049h)[^\x1b]*(?:\x1b(?!\[\?1049h)[^\x1b]*)*?\x1b\[\?1049l")
_MOVE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-ln-z]")


@dataclass(frozen=True, slots=True)
class Replay:
    """`content` for the terminal; `redraws`: a program that draws its own screen has to do so again."""

    content: bytes
    redraws: bool


def replay_of(tail: bytes, rows: int) -> Replay:
    """The last lines, as many as fit, of the end of a log.

    Only text and colours: a question that a program once asked the terminal must not be answered now. A program that
    has taken the whole screen gets an empty one.
    """
    if tail.rfind(ENTER_SCREEN) > tail.rfind(LEAVE_SCREEN):
        return Replay(ENTER_SCREEN + BLANK, redraws=True)
    lines = _SCREENS.sub(b"", tail).split(b"\n")[-max(1, rows - 1) :]
    return Replay(b"\r\n".join(clean_line(_typed_out(line)).encode() for line in lines), redraws=False)


def _typed_out(line: bytes) -> bytes:
    """What stands on the line in the end: a backspace takes back the character before it."""
    left = bytearray()
    for byte in _MOVE.sub(b"", line):
        if byte != BACKSPACE:
            left.append(byte)
        elif left:
            left.pop()
    return bytes(left)
