"""A log on another host: bytes and line counts come over the connection, and only those that are looked at."""

from collections import OrderedDict
from collections.abc import Callable

from vlad.logs.content import BLOCK_BYTES, NO_FILE, Counted, Look
from vlad.remote.protocol import (
    Ask,
    CountLines,
    LinesCounted,
    LogLooked,
    LogName,
    LogRead,
    LookAtLog,
    ReadLog,
    Reply,
)

from vlatui.sites.connection import Unreachable

KEPT_BLOCKS = 32


class RemoteLog:
    """Keeps the last 8 MiB that were read. Used by one thread; every method may raise OSError."""

    def __init__(self, name: LogName, ask: Callable[[Ask], Reply]) -> None:
        self._name = name
        self._ask = ask
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._look = NO_FILE
        self._start = b""

    def look(self) -> Look:
        """While the host is not reached, a log that was seen stays as it was."""
        try:
            reply = self._ask(LookAtLog(log=self._name))
        except Unreachable:
            if self._look is NO_FILE:
                raise
            return self._look
        assert isinstance(reply, LogLooked)
        look = NO_FILE if reply.inode is None else Look((0, reply.inode), reply.size_bytes)
        is_same = look.identity == self._look.identity and reply.start.startswith(self._start)
        if not is_same or look.size_bytes < self._look.size_bytes:
            self._blocks.clear()
        self._look, self._start = look, reply.start
        return look

    def pread(self, count: int, offset: int) -> bytes:
        end = min(offset + count, self._look.size_bytes)
        parts = []
        for number in range(offset // BLOCK_BYTES, -(-end // BLOCK_BYTES)):
            start = number * BLOCK_BYTES
            parts.append(self._block(number, end - start)[max(0, offset - start) : end - start])
        return b"".join(parts)

    def _block(self, number: int, needed: int) -> bytes:
        """The block, of which `needed` bytes are wanted: one that was read while it was still short is read on."""
        content = self._blocks.get(number, b"")
        if len(content) < min(needed, BLOCK_BYTES):
            at = number * BLOCK_BYTES + len(content)
            content += self._read(at, BLOCK_BYTES - len(content))
            self._blocks[number] = content
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return content

    def _read(self, offset: int, count: int) -> bytes:
        reply = self._ask(ReadLog(log=self._name, offset=offset, count=count))
        assert isinstance(reply, LogRead)
        return reply.content

    def count_lines(self, offset: int, end: int) -> Counted:
        reply = self._ask(CountLines(log=self._name, offset=offset, end=end))
        assert isinstance(reply, LinesCounted)
        return Counted(reply.newlines, reply.read_bytes, reply.ends_open)

    def close(self) -> None:
        self._blocks.clear()
