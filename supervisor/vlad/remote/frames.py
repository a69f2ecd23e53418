"""Messages over two byte streams: a preamble that stands out of a shell's chatter, then frames with their length.

The documentation of what travels is docs/remote.md.
"""

import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from vlad.records.files import write_all

PREAMBLE = b"\x00vlad-serve\n"
MOST_FRAME_BYTES = 16 * 1024 * 1024
MOST_CHATTER_BYTES = 64 * 1024
LENGTH_BYTES = 4
Message = TypeVar("Message")


class BrokenFrame(Exception):
    """What came is no message of this protocol; the words say what it was."""


def frame(message: object) -> bytes:
    """A message as its length (4 bytes, big-endian) and its MessagePack. Raises BrokenFrame for one over 16 MiB."""
    content = msgspec.msgpack.encode(message)
    if len(content) > MOST_FRAME_BYTES:
        raise BrokenFrame(f"a message of {len(content):,} bytes is too large to send")
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def write_frame(handle: int, message: object) -> None:
    """Writes one message whole. Raises OSError where nobody reads any more."""
    write_all(handle, frame(message))


class FrameReader(Generic[Message]):
    """Messages of one type from a descriptor. Used by one thread."""

    def __init__(self, handle: int, kind: Any, read: Callable[[int, int], bytes] = os.read) -> None:
        self._handle = handle
        self._read = read
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(kind)
        self._content = bytearray()

    def skip_preamble(self) -> bytes:
        """Reads up to and including the preamble; returns the chatter before it. Raises BrokenFrame without one."""
        while (at := self._content.find(PREAMBLE)) < 0:
            if len(self._content) > MOST_CHATTER_BYTES or not self._more():
                raise BrokenFrame(bytes(self._content[-MOST_CHATTER_BYTES:]).decode(errors="replace").strip())
        chatter = bytes(self._content[:at])
        del self._content[: at + len(PREAMBLE)]
        return chatter

    def next(self) -> Message | None:
        """The next message; None at the end of the stream. Raises BrokenFrame for what is none."""
        if not self._has(LENGTH_BYTES):
            return None
        length = int.from_bytes(self._content[:LENGTH_BYTES], "big")
        if length > MOST_FRAME_BYTES:
            raise BrokenFrame(f"a message of {length:,} bytes is announced, more than any may have")
        if not self._has(LENGTH_BYTES + length):
            return None
        content = bytes(self._content[LENGTH_BYTES : LENGTH_BYTES + length])
        del self._content[: LENGTH_BYTES + length]
        try:
            return self._decoder.decode(content)
        except msgspec.DecodeError as error:
            raise BrokenFrame(f"a message cannot be read: {error}") from error

    def _has(self, count: int) -> bool:
        """Whether so many bytes are there, waiting for them."""
        while len(self._content) < count:
            if not self._more():
                return False
        return True

    def _more(self) -> bool:
        content = self._read(self._handle, 256 * 1024)
        self._content += content
        return bool(content)
