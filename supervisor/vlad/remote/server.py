"""The loop of `vlad serve --stdio`: reads questions from one descriptor and writes answers to another until the end."""

import threading
from concurrent.futures import ThreadPoolExecutor

from vlad.records.files import write_all
from vlad.remote.frames import PREAMBLE, BrokenFrame, FrameReader, write_frame
from vlad.remote.protocol import Asked, Hello, Refused, Replied
from vlad.remote.session import Session

LONG_AT_ONCE = 4


class Server:
    """Serves one session. Owns neither descriptor."""

    def __init__(self, session: Session, questions: int, answers: int) -> None:
        self._session = session
        self._reader: FrameReader[Asked] = FrameReader(questions, Asked)
        self._answers = answers
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(LONG_AT_ONCE, "long")

    def run(self, hello: Hello) -> None:
        """Returns when the other side has gone. Raises BrokenFrame for what is no message."""
        try:
            write_all(self._answers, PREAMBLE)
            write_frame(self._answers, hello)
            while (asked := self._reader.next()) is not None:
                if self._session.is_long(asked.ask):
                    self._pool.submit(self._answer, asked)
                else:
                    self._answer(asked)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._session.close()
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, asked: Asked) -> None:
        reply = self._session.reply(asked.ask)
        with self._lock:
            try:
                write_frame(self._answers, Replied(number=asked.number, reply=reply))
            except BrokenFrame as error:
                write_frame(self._answers, Replied(number=asked.number, reply=Refused(words=str(error))))
