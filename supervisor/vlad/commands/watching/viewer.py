"""This terminal as a view of another: raw while it looks, and as it was before when it leaves."""

import os
import select
import signal
import sys
import termios
import tty
from enum import Enum
from socket import socket
from types import FrameType
from typing import Any

from vlad.host.terminal_link import MOST_BYTES, SIZE, Frame, frame

PIECE_BYTES = 1 << 16
INTERRUPT = 3
ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
AS_BEFORE = b"\x1b[0m\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1l\x1b>"
"""No colour, a cursor, no bracketed paste, no mouse, plain keys: what a program in the terminal may have asked for."""


class Left(Enum):
    """Why a view has ended."""

    DETACHED = "detached"
    CONNECTION_LOST = "connection lost"


class Viewer:
    """Owns the state of this terminal; `restore` gives it back."""

    def __init__(self, detach_code: int, *, readonly: bool) -> None:
        self._ends = bytes({detach_code, INTERRUPT, ord("q")}) if readonly else bytes([detach_code])
        self._readonly = readonly
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._before: list[Any] = termios.tcgetattr(self._input)
        self._seen = b""
        self._has_screen = False
        self._wakes, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._old_handler = signal.signal(signal.SIGWINCH, self._resized)

    def restore(self) -> None:
        """The terminal as it was; on a line of its own."""
        signal.signal(signal.SIGWINCH, self._old_handler)
        self._write((LEAVE_SCREEN if self._has_screen else b"") + AS_BEFORE + b"\r\n")
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        os.close(self._wakes)
        os.close(self._waker)

    def view(self, connection: socket) -> Left:
        """Shows what comes and sends what is typed, until one of both ends."""
        tty.setraw(self._input)
        with connection:
            try:
                connection.sendall(frame(Frame.WATCH if self._readonly else Frame.TYPE, self._size()))
                return self._relay(connection)
            except OSError:
                return Left.CONNECTION_LOST

    def _relay(self, connection: socket) -> Left:
        while True:
            ready, _, _ = select.select([connection, self._input, self._wakes], [], [])
            if connection in ready and not self._show(connection.recv(PIECE_BYTES)):
                return Left.CONNECTION_LOST
            if self._wakes in ready:
                os.read(self._wakes, MOST_BYTES)
                connection.sendall(frame(Frame.SIZE, self._size()))
            if self._input in ready and not self._send(connection, os.read(self._input, MOST_BYTES)):
                return Left.DETACHED

    def _show(self, shown: bytes) -> bool:
        """False at the end of the connection. Remembers whether a program has taken the whole screen."""
        recent = self._seen + shown
        entered, left = recent.rfind(ENTER_SCREEN), recent.rfind(LEAVE_SCREEN)
        if entered != left:
            self._has_screen = entered > left
        self._seen = recent[-len(ENTER_SCREEN) :]
        self._write(shown)
        return bool(shown)

    def _send(self, connection: socket, typed: bytes) -> bool:
        """False where the terminal has gone, or where what was typed detaches; what stands before that is sent."""
        ends = [at for at, code in enumerate(typed) if code in self._ends]
        keys = typed[: ends[0]] if ends else typed
        if keys and not self._readonly:
            connection.sendall(frame(Frame.KEYS, keys))
        return bool(typed) and not ends

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(self._output, left) :]

    def _size(self) -> bytes:
        columns, rows = os.get_terminal_size(self._output)
        return SIZE.pack(rows, columns)

    def _resized(self, number: int, stopped_at: FrameType | None) -> None:
        os.write(self._waker, b"r")
