"""Holds the terminal of a run: always drained into the log, and shown to whoever of its owner's processes looks."""

import os
import select
import signal
import socket
import struct
from contextlib import suppress

from vlad.host import terminal_link as link
from vlad.host.processes import set_process_name
from vlad.host.terminal_link import Frame
from vlad.policy.replay import Replay, replay_of
from vlad.records import failpoints
from vlad.records.files import RecordError
from vlad.records.rundir import RunDirectory
from vlad.supervise import locks
from vlad.supervise.remarks import remark
from vlad.supervise.terminal import Terminal, resize, size_of
from vlad.supervise.unlogged import Unlogged

LOOK_MS = 500
LAST_WORDS_S = 1.0
ASKED_BYTES = 1 << 16
REPLAY_BYTES = 1 << 18
MOST_BACKLOG = 1 << 22
MOST_TYPED = 1 << 16


def hold(terminal: Terminal) -> None:
    """Until the run has ended. Returns at once where another holder lives."""
    lock = locks.open_lock(terminal.run.terminal_lock)
    if not locks.try_lock(lock):
        return
    set_process_name("vlad-terminal")
    if terminal.run.terminal_socket.exists():  # said by who takes over: it may have been started before that death
        remark("who served the terminal has died; the job notices nothing, and another serves it")
    failpoints.reach("terminal.held")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.set_blocking(terminal.master, False)
    Holder(terminal).serve()


class View:
    """One who looks: a connection, what it has asked and not said whole yet, and what it has yet to be shown."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.asked = b""
        self.backlog = bytearray()
        self.is_shown = False
        self.types = False


class Holder:
    """The loop: terminal to log and views, keys to the terminal. Nobody who looks can hold up the job."""

    def __init__(self, terminal: Terminal) -> None:
        self._run = terminal.run
        self._master, self._slave, self._memory = terminal.master, terminal.slave, terminal.memory
        self._server = link.listen(terminal.run.terminal_socket)
        self._server.setblocking(False)
        self._views: dict[int, View] = {}
        self._typed = bytearray()
        self._unlogged = Unlogged(terminal.memory)
        self._log = Log(terminal.run, self._unlogged)
        self._state_mark = (0, 0)

    def serve(self) -> None:
        poll = select.poll()
        while not self._is_over():
            for ready in self._ready(poll):
                self._handle(*ready)
        self._run.terminal_socket.unlink(missing_ok=True)
        for view in self._views.values():
            view.connection.settimeout(LAST_WORDS_S)
            with suppress(OSError):
                view.connection.sendall(view.backlog)

    def _ready(self, poll: select.poll) -> list[tuple[int, int]]:
        asked = {
            self._master: select.POLLIN | (select.POLLOUT if self._typed else 0),
            self._server.fileno(): select.POLLIN,
            **{at: select.POLLIN | (select.POLLOUT if one.backlog else 0) for at, one in self._views.items()},
        }
        for handle, events in asked.items():
            poll.register(handle, events)
        found = poll.poll(LOOK_MS)
        for handle in asked:
            poll.unregister(handle)
        return found

    def _handle(self, handle: int, events: int) -> None:
        if handle == self._master:
            self._drain()
            self._type()
        elif handle == self._server.fileno():
            self._welcome()
        elif handle in self._views:
            view = self._views[handle]
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                self._hear(view)
            if handle in self._views and events & select.POLLOUT:
                self._show(view)

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            piece = self._unlogged.read_from(self._master)
            failpoints.reach("terminal.read")
            self._log.write(piece)
            for view in [one for one in self._views.values() if one.is_shown]:
                view.backlog += piece
                if len(view.backlog) > MOST_BACKLOG:
                    self._dismiss(view)

    def _type(self) -> None:
        with suppress(BlockingIOError):
            while self._typed:
                del self._typed[: os.write(self._master, self._typed)]

    def _welcome(self) -> None:
        connection, _ = self._server.accept()
        if not link.is_ours(connection):
            connection.close()
            return
        connection.setblocking(False)
        self._views[connection.fileno()] = View(connection)

    def _dismiss(self, view: View) -> None:
        self._views.pop(view.connection.fileno(), None)
        view.connection.close()

    def _hear(self, view: View) -> None:
        try:
            said = view.connection.recv(ASKED_BYTES)
            if not said:
                raise ConnectionResetError
            found, view.asked = link.frames(view.asked + said)
            for kind, content in found:
                self._obey(view, kind, content)
        except BlockingIOError:
            return
        except (OSError, ValueError, struct.error):
            self._dismiss(view)

    def _obey(self, view: View, kind: Frame, content: bytes) -> None:
        match kind:
            case Frame.WATCH | Frame.TYPE:
                view.types = kind is Frame.TYPE
                self._begin(view, *link.SIZE.unpack(content))
            case Frame.SIZE if view.types:
                resize(self._master, *link.SIZE.unpack(content))
            case Frame.KEYS if view.types and len(self._typed) < MOST_TYPED:
                self._typed += content
                self._type()
            case Frame.HAND_OVER:
                socket.send_fds(view.connection, [b"h"], [self._master, self._slave, self._memory])
            case _:
                return

    def _begin(self, view: View, rows: int, columns: int) -> None:
        """Shows the end of what was written so far, then what comes; a program that draws is made to draw anew."""
        replay = replay_of(self._log.tail(REPLAY_BYTES), rows)
        view.backlog += replay.content
        view.is_shown = True
        if view.types:
            resize(self._master, rows, columns)
        if replay.redraws:
            self._make_redraw(replay)

    def _make_redraw(self, replay: Replay) -> None:
        rows, columns = size_of(self._master)
        for shown in (max(1, rows - 1), rows):
            resize(self._master, shown, columns)

    def _show(self, view: View) -> None:
        try:
            del view.backlog[: view.connection.send(view.backlog)]
        except BlockingIOError:
            return
        except OSError:
            self._dismiss(view)

    def _is_over(self) -> bool:
        """The run has ended (or is gone). Its state is read only when it is another file than before."""
        try:
            found = self._run.state.stat()
            mark = (found.st_ino, found.st_mtime_ns)
            if mark == self._state_mark:
                return False
            self._state_mark = mark
            return self._run.read_record().state.is_final
        except (OSError, RecordError):
            return not self._run.spec.exists()


class Log:
    """console.log of the newest attempt, with the line ends of a file. A disk that refuses holds nobody up."""

    def __init__(self, run: RunDirectory, unlogged: Unlogged) -> None:
        """Begins with what a holder that was killed has left."""
        self._run = run
        self._unlogged = unlogged
        self._early = b""
        handle = self._open(os.O_RDONLY)
        piece, self._has_return = unlogged.left_by_another(os.fstat(handle) if handle is not None else None)
        if handle is not None:
            os.close(handle)
        if piece:
            self.write(piece)
        else:
            unlogged.forget(held_return=self._has_return)

    def write(self, piece: bytes) -> None:
        held_return = self._has_return
        whole = b"\r" * held_return + piece
        self._has_return = whole.endswith(b"\r")
        content = self._early + whole.removesuffix(b"\r").replace(b"\r\n", b"\n")
        if (handle := self._open(os.O_WRONLY | os.O_CREAT | os.O_APPEND)) is None:
            self._early = content[:MOST_TYPED]  # typed before there is an attempt
        else:
            self._early = b""
            self._unlogged.about_to_write(os.fstat(handle), held_return=held_return)
            with suppress(OSError):
                os.write(handle, content)
            failpoints.reach("terminal.written")
            os.close(handle)
        self._unlogged.forget(held_return=self._has_return)

    def tail(self, size: int) -> bytes:
        if (handle := self._open(os.O_RDONLY)) is None:
            return b""
        try:
            return os.pread(handle, size, max(0, os.fstat(handle).st_size - size))
        finally:
            os.close(handle)

    def _open(self, flags: int) -> int | None:
        attempt = self._run.newest_attempt()
        if attempt is None:
            return None
        try:
            return os.open(attempt.console, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
