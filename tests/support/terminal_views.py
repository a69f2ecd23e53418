"""Views of a run's terminal for tests: one who is attached, and who serves it."""

import socket
from collections.abc import Callable

from patience import until
from supervised_runs import Run
from vlad.host import terminal_link as link
from vlad.host.processes import all_processes, environment_of, identity_of
from vlad.host.terminal_link import SIZE, Frame, frame
from vlad.records.outcome import ProcessIdentity

ECHOES = "while read line; do echo got:$line; done"


class Watcher:
    """One who is attached; `text` is what the terminal has shown."""

    def __init__(self, run: Run, kind: Frame = Frame.TYPE, rows: int = 30, columns: int = 90) -> None:
        self.connection = until(lambda: connected(run), run)
        self.connection.sendall(frame(kind, SIZE.pack(rows, columns)))
        self.connection.setblocking(False)
        self._shown = b""

    @property
    def text(self) -> str:
        try:
            while piece := self.connection.recv(1 << 16):
                self._shown += piece
        except BlockingIOError:
            pass
        return self._shown.decode(errors="replace")

    def type(self, keys: str) -> None:
        self.connection.sendall(frame(Frame.KEYS, keys.encode()))

    def until(self, words: str) -> None:
        until(lambda: words in self.text, (words, self))

    def __repr__(self) -> str:
        return self.text

    def has_ended(self) -> bool:
        try:
            return self.connection.recv(1 << 16) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def connected(run: Run) -> socket.socket | None:
    try:
        return link.connect(run.directory.terminal_socket)
    except OSError:
        return None


Start = Callable[..., Run]
Watch = Callable[..., Watcher]


def holder(run: Run) -> ProcessIdentity:
    """The process that serves the terminal."""

    def found() -> ProcessIdentity | None:
        for pid, process in all_processes().items():
            is_one = process.name == "vlad-terminal" and not process.is_zombie
            if is_one and environment_of(pid).get(b"VLAD_SUPERVISES") == run.directory.run_id.encode():
                return identity_of(pid)
        return None

    return until(found, run)
