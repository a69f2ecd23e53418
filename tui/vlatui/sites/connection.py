"""One process that serves, mostly ssh: questions from any thread, answered in any order. Owns the process."""

import contextlib
import itertools
import queue
import subprocess
import threading
from collections.abc import Sequence

from vlad.remote.frames import BrokenFrame, FrameReader, write_frame
from vlad.remote.protocol import PROTOCOL, Ask, Asked, FromServer, Hello, Refused, Replied, Reply

from vlatui.look.words import tr
from vlatui.sites.ssh import failure_words, no_answer, other_protocol

HELLO_S = 30.0
REPLY_S = 20.0
END_S = 2.0
KEPT_WORDS = 4096


class Unreachable(OSError):
    """The other host cannot be reached (any more); the words say why and what to do."""


class Declined(OSError):
    """The other host answers that it cannot do what was asked."""


class Connection:
    """Connects when made. Raises OSError where the command cannot be started."""

    def __init__(self, login: str, argv: Sequence[str]) -> None:
        self._login = login
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            bufsize=0,
        )  # fmt: skip
        self._said = b""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Reply | None]] = {}
        self._hello: queue.SimpleQueue[Hello | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._failure = ""
        self._words = threading.Thread(target=self._read_words, name=f"{login} words", daemon=True)
        self._words.start()
        threading.Thread(target=self._read_answers, name=f"{login} answers", daemon=True).start()

    def hello(self, timeout_s: float = HELLO_S) -> Hello:
        """Who answers. Raises Unreachable, also for a vlad that speaks another protocol."""
        try:
            said = self._hello.get(timeout=timeout_s)
        except queue.Empty:
            raise Unreachable(no_answer(self._login, timeout_s)) from None
        if said is None:
            raise Unreachable(self._why())
        if said.protocol != PROTOCOL:
            raise Unreachable(other_protocol(self._login, said.version, said.protocol))
        return said

    def ask(self, ask: Ask, timeout_s: float = REPLY_S) -> Reply:
        """The answer. Raises Unreachable, and Declined with the other side's words."""
        answer: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = answer
        self._send(Asked(number=number, ask=ask))
        try:
            reply = answer.get(timeout=timeout_s)
        except queue.Empty:
            raise Unreachable(no_answer(self._login, timeout_s)) from None
        finally:
            self._waiting.pop(number, None)
        if reply is None:
            raise Unreachable(self._why())
        if isinstance(reply, Refused):
            raise Declined(reply.words)
        return reply

    def _send(self, asked: Asked) -> None:
        if self._failure:
            raise Unreachable(self._why())
        assert self._process.stdin is not None
        try:
            with self._lock:
                write_frame(self._process.stdin.fileno(), asked)
        except (OSError, ValueError):
            raise Unreachable(self._why()) from None

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        reader: FrameReader[Hello | Replied] = FrameReader(self._process.stdout.fileno(), FromServer)
        try:
            reader.skip_preamble()
            while (said := reader.next()) is not None:
                if isinstance(said, Hello):
                    self._hello.put(said)
                elif (answer := self._waiting.get(said.number)) is not None:
                    answer.put(said.reply)
        except BrokenFrame as error:
            self._said += f"\n{error}".encode()
        except OSError:
            pass
        self._ended()

    def _ended(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._words.join(END_S)  # what was said last says why; a master of shared connections never ends it
        self._failure = failure_words(self._login, self._process.returncode, self._said.decode(errors="replace"))
        self._hello.put(None)
        for answer in list(self._waiting.values()):
            answer.put(None)

    def _read_words(self) -> None:
        """What ssh and the other shell say is kept for an explanation, never shown in between."""
        assert self._process.stderr is not None
        while content := self._process.stderr.read(KEPT_WORDS):
            self._said = (self._said + content)[-KEPT_WORDS:]

    def _why(self) -> str:
        return self._failure or tr("{login}: the connection has ended", login=self._login)

    @property
    def is_open(self) -> bool:
        return not self._failure

    def kill(self) -> None:
        """Ends a connection that nobody answers on."""
        self._process.kill()

    def close(self) -> None:
        """Ends the connection; what was started on the other host goes on."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
