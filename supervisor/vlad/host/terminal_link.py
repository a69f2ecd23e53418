"""The socket between the terminal of a run and who watches it or types into it: for its owner alone.

What is asked goes in frames (kind, length, content); what comes back is what the terminal shows, as it is.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from vlad.records.files import RecordError

PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid
SIZE = struct.Struct("!HH")
HEADER = struct.Struct("!cH")
MOST_BYTES = 4096
BACKLOG = 8


class Frame(Enum):
    """What is asked. WATCH and TYPE begin a view and carry its rows and columns, as does SIZE."""

    WATCH = b"w"
    TYPE = b"t"
    KEYS = b"k"
    SIZE = b"s"
    HAND_OVER = b"h"


@contextmanager
def _short_name(path: Path) -> Iterator[str]:
    """A name below 108 bytes, whatever the path: that is all the kernel takes for a socket."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path) -> socket.socket:
    """A socket that only its owner may open; one that a dead process left is replaced."""
    with suppress(FileNotFoundError):
        path.unlink()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with _short_name(path) as name:
            server.bind(name)
    finally:
        os.umask(before)
    server.listen(BACKLOG)
    return server


def connect(path: Path) -> socket.socket:
    """Raises OSError where nobody answers, RecordError where the answer comes from another user."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_name(path) as name:
            client.connect(name)
        if not is_ours(client):
            raise RecordError(f"{path} is served by another user; it is not used")
    except BaseException:
        client.close()
        raise
    return client


def is_ours(connection: socket.socket) -> bool:
    """Whether the process at the other end is of this user, as the kernel says."""
    _, user, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return bool(user == os.geteuid())


def frame(kind: Frame, content: bytes = b"") -> bytes:
    """`content` has MOST_BYTES at most."""
    return HEADER.pack(kind.value, len(content)) + content


def frames(buffered: bytes) -> tuple[list[tuple[Frame, bytes]], bytes]:
    """The complete frames of what has come, and the rest. Raises ValueError for what is no frame."""
    found: list[tuple[Frame, bytes]] = []
    while len(buffered) >= HEADER.size:
        kind, length = HEADER.unpack_from(buffered)
        if length > MOST_BYTES:
            raise ValueError(f"a frame of {length} bytes")
        end = HEADER.size + length
        if len(buffered) < end:
            break
        found.append((Frame(kind), buffered[HEADER.size : end]))
        buffered = buffered[end:]
    return found, buffered


def handed_over(path: Path, patience_s: float) -> tuple[int, ...]:
    """Both ends of the terminal and its memory, from the process that holds it; nothing where there is none."""
    try:
        with connect(path) as client:
            client.settimeout(patience_s)
            client.sendall(frame(Frame.HAND_OVER))
            _, handles, _, _ = socket.recv_fds(client, 1, 3)
            return tuple(handles) if len(handles) > 1 else ()
    except (OSError, RecordError):
        return ()
