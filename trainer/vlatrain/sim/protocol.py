"""What the trainer and a simulator worker say: small JSON messages, and pictures and numbers in shared memory.

Standard library and numpy only: the worker runs in a Python of its own (3.10 or newer) with other versions of the rest.

A worker says `ready` (with its versions) or `refused` (with a reason) first. Then each request gets one answer:
`start` (suite, task, trial, wait_steps, stored) and `act` (plan, followed) are answered by `seen`, with so many frames
in the memory, their pictures as a data set would have `stored` them where that is wanted; `demonstrate` (suite, task,
seed, style) by `demonstrated`, with all frames of the episode in the memory, and `render` (suite, task, frames,
coordinates, bodies) by `rendered`, with a picture there of every simulator state that lay there.
Of the actions of a plan, as many `steps` are executed as it takes to be done with the task or with the plan; only the
plan's last one leaves a frame, or each where it is `followed`.
The pictures of whole episodes are JPEG files then: many workers would wait for one trainer that encodes them.
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
SHELF = "VLATRAIN_SHELF"
"""The variable that tells a worker the descriptors of the memory in which its pool shares compiled scenes."""


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
    """The shape of the shared memory: room for `frames` steps with `cameras` square pictures each.

    And for so many `coordinates` of the simulator: time, positions and velocities of all joints.
    """

    frames: int
    cameras: int
    size: int
    coordinates: int = 0

    @classmethod
    def from_text(cls, text: str) -> "Layout":
        return cls(*(int(part) for part in text.split("x")))

    def to_text(self) -> str:
        return f"{self.frames}x{self.cameras}x{self.size}x{self.coordinates}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers a frame: actions, states, sizes of JPEG files, coordinates."""
        return ACTION_DIM, STATE_DIM, self.cameras, self.coordinates

    @property
    def numbers_bytes(self) -> int:
        return self.frames * sum(self.numbers) * 8

    @property
    def size_bytes(self) -> int:
        return self.numbers_bytes + self.frames * self.cameras * self.size * self.size * 3


class Frames:
    """As arrays: images uint8 [T, cameras, size, size, 3], actions and states float64 [T, 7] and [T, 8].

    The simulator's own states are coordinates float64 [T, C]. A picture's place may hold a JPEG file instead, whose
    size in bytes is in `sizes` float64 [T, cameras].
    """

    images: NDArray[np.uint8]
    actions: NDArray[np.float64]
    states: NDArray[np.float64]
    sizes: NDArray[np.float64]
    coordinates: NDArray[np.float64]

    def __init__(self, descriptor: int, layout: Layout) -> None:
        memory = mmap.mmap(descriptor, layout.size_bytes)
        numbers = np.frombuffer(memory, np.float64, layout.numbers_bytes // 8).reshape(layout.frames, -1)
        pictures = np.frombuffer(memory, np.uint8, offset=layout.numbers_bytes)
        self.layout = layout
        ends = np.cumsum(layout.numbers)[:-1]
        self.actions, self.states, self.sizes, self.coordinates = np.split(numbers, ends, axis=1)
        self.images = pictures.reshape(layout.frames, layout.cameras, layout.size, layout.size, 3)

    def put_file(self, place: int, camera: int, content: bytes) -> None:
        """Leaves a picture as a JPEG file where its pixels were. Raises ValueError for one larger than those."""
        room = self.images[place, camera].reshape(-1)
        if len(content) > len(room):
            raise ValueError(f"a JPEG file of {len(content)} bytes for {len(room)} bytes of pixels")
        room[: len(content)] = np.frombuffer(content, np.uint8)
        self.sizes[place, camera] = len(content)

    def file(self, place: int, camera: int) -> bytes:
        """The JPEG file that lies there."""
        return bytes(self.images[place, camera].reshape(-1)[: int(self.sizes[place, camera])])
