"""Reads the GPUs in a process of its own: a driver that hangs holds nobody up, and its library costs nobody memory."""

import contextlib
import os
import select
import signal
import sys
import time

import msgspec

from vlad.host.gpus import GpuReport, GpusUnreadable

PATIENCE_S = 15.0
BOOT = "import sys; sys.path[:] = sys.argv[1].split(chr(0x1F)); from vlad.host.gpus import main; main()"
PIECE_BYTES = 1 << 16


def read_gpus(patience_s: float = PATIENCE_S) -> GpuReport:
    """The GPUs of this host now. Raises GpusUnreadable where there are none, or no answer within `patience_s`."""
    answer, told = os.pipe()
    try:
        child = _spawn(told)
    finally:
        os.close(told)
    try:
        said = _read_within(answer, patience_s)
    finally:
        os.close(answer)
    if said is None:
        _give_up(child)
        raise GpusUnreadable(f"the GPU driver does not answer within {patience_s:.0f} s; see `nvidia-smi` and `dmesg`")
    _reap(child, 0)
    return _decoded(said)


def _spawn(told: int) -> int:
    paths = chr(0x1F).join(path for path in sys.path if path)
    argv = [sys.executable, "-I", "-S", "-c", BOOT, paths]
    streams = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, told, 1),
        (os.POSIX_SPAWN_DUP2, told, 2),
    )
    return os.posix_spawn(sys.executable, argv, os.environ, file_actions=streams)


def _read_within(answer: int, patience_s: float) -> bytes | None:
    """All that is said, None where that does not come to its end in time."""
    said = b""
    deadline = time.monotonic() + patience_s
    while select.select([answer], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(answer, PIECE_BYTES)
        if not piece:
            return said
        said += piece
    return None


def _give_up(child: int) -> None:
    """One that sleeps in the driver does not even die of SIGKILL: it is reaped later, or by nobody."""
    os.kill(child, signal.SIGKILL)
    _reap(child, os.WNOHANG)


def _reap(child: int, options: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, options)


def _decoded(said: bytes) -> GpuReport:
    try:
        return msgspec.json.decode(said, type=GpuReport)
    except msgspec.DecodeError:
        last = said.decode(errors="replace").strip().splitlines()
        raise GpusUnreadable(last[-1] if last else "the GPUs could not be read") from None
