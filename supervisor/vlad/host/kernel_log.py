"""Reads the kernel's own log, where this user may."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from vlad.policy.kernel_messages import KernelMessage, is_of_interest, parsed

DEVICE = Path("/dev/kmsg")
PID_NAMESPACE = Path("/proc/self/ns/pid")
PID_NAMESPACE_OF_HOST = 0xEFFFFFFC  # PROC_PID_INIT_INO of the kernel
RECORD_BYTES = 8192
MOST_RECORDS = 200_000


def kernel_messages(since: float, device: Path = DEVICE) -> tuple[KernelMessage, ...] | None:
    """What tells of killed processes and broken GPUs, not before `since` (Unix seconds).

    None where we may not read it, and in a container, where the kernel's pids mean other processes than ours.
    """
    if PID_NAMESPACE.stat().st_ino != PID_NAMESPACE_OF_HOST:
        return None
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    booted_at = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        found = (parsed(record, booted_at) for record in _records(handle))
        return tuple(one for one in found if one is not None and one.at >= since and is_of_interest(one))
    finally:
        os.close(handle)


def _records(handle: int) -> Iterator[bytes]:
    """Each read is one record; where some were overwritten meanwhile the next one follows (EPIPE)."""
    for _ in range(MOST_RECORDS):
        try:
            record = os.read(handle, RECORD_BYTES)
        except BrokenPipeError:
            continue
        except OSError:  # EAGAIN: that was the last one
            return
        if not record:
            return
        yield record
