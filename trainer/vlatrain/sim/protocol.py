"""What the trainer and a simulator worker say: small JSON messages, and pictures and numbers in shared memory.

Standard library and numpy only: the worker runs in a Python of its own (3.10 or newer) with other versions of the rest.

A worker says `ready` (with its versions) or `refused` (with a reason) first. Then each request gets one answer:
`start` (suite, task, trial, wait_steps) and `act` (action) are answered by `seen`, with frame 0 in the memory;
`demonstrate` (suite, task, seed, style) by `demonstrated`, with all frames of the episode in the memory.
A worker that cannot go on ends; the last line of its log says why.
"""

import json
import mmap
import socket
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Message = dict[str, Any]
ACTION_DIM = 7
STATE_DIM = 8
"""Hand position (3), its rotation as axis times angle (3), both fingers: `state` of the published data sets."""
MOST_BYTES = 1 << 16


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel:
    """Whole messages over a socket of a pair."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Raises ChannelClosed where nobody is there."""
        try:
            self._socket.send(json.dumps(message).encode())
        except OSError as error:
            raise ChannelClosed from error

    def receive(self) -> Message:
        """Waits for the next message. Raises ChannelClosed where there will be none."""
        try:
            text = self._socket.recv(MOST_BYTES)
        except OSError as error:
            raise ChannelClosed from error
        if not text:
            raise ChannelClosed
        message: Message = json.loads(text)
        return message

    def close(self) -> None:
        self._socket.close()


def channel_pair() -> tuple[Channel, socket.socket]:
    """Our end, and the socket that the worker inherits."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), theirs


@dataclass(frozen=True)
class Layout:
    """The shape of the shared memory: room for `frames` steps with `cameras` square pictures each."""

    frames: int
    cameras: int
    size: int

    @classmethod
    def from_text(cls, text: str) -> "Layout":
        frames, cameras, size = (int(part) for part in text.split("x"))
        return cls(frames, cameras, size)

    def to_text(self) -> str:
        return f"{self.frames}x{self.cameras}x{self.size}"

    @property
    def numbers_bytes(self) -> int:
        return self.frames * (ACTION_DIM + STATE_DIM) * 8

    @property
    def size_bytes(self) -> int:
        return self.numbers_bytes + self.frames * self.cameras * self.size * self.size * 3


class Frames:
    """As arrays: images uint8 [T, cameras, size, size, 3], actions and states float64 [T, 7] and [T, 8]."""

    images: NDArray[np.uint8]
    actions: NDArray[np.float64]
    states: NDArray[np.float64]

    def __init__(self, descriptor: int, layout: Layout) -> None:
        memory = mmap.mmap(descriptor, layout.size_bytes)
        numbers = np.frombuffer(memory, np.float64, layout.numbers_bytes // 8).reshape(layout.frames, -1)
        pictures = np.frombuffer(memory, np.uint8, offset=layout.numbers_bytes)
        self.layout = layout
        self.actions, self.states = numbers[:, :ACTION_DIM], numbers[:, ACTION_DIM:]
        self.images = pictures.reshape(layout.frames, layout.cameras, layout.size, layout.size, 3)
