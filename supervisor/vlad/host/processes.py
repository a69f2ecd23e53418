"""Processes of this host: who is who beyond doubt, which of them belong to a run, and signals that reach no other."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from vlad.records.outcome import ProcessIdentity

PROC = Path("/proc")
RUN_TAG = b"VLAD_RUN_ID"
SUPERVISES_TAG = b"VLAD_SUPERVISES"
OUR_TAGS = frozenset({RUN_TAG, SUPERVISES_TAG})
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


class ProcessStat(msgspec.Struct, frozen=True):
    """What /proc/<pid>/stat says. `start_ticks` counts clock ticks from boot; `tty` is the device number, 0 for none.

    `exit_status` is the wait status of a zombie, but 0 as well where we may not know it.
    """

    pid: int
    name: str
    state: str
    parent: int
    session: int
    tty: int
    start_ticks: int
    exit_status: int

    @property
    def is_zombie(self) -> bool:
        """Has ended and waits for its parent to read how."""
        return self.state in "ZX"


@cache
def boot_id() -> str:
    """Changes with every boot of the host."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def read_stat(pid: int) -> ProcessStat | None:
    """None where there is no such process."""
    try:
        content = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return parse_stat(content)


def parse_stat(content: bytes) -> ProcessStat:
    """The name stands in parentheses and may hold spaces and parentheses itself."""
    opening, closing = content.index(b"("), content.rindex(b")")
    words = content[closing + 2 :].split()
    return ProcessStat(
        pid=int(content[:opening]),
        name=content[opening + 1 : closing].decode(errors="replace"),
        state=words[0].decode(),
        parent=int(words[1]),
        session=int(words[3]),
        tty=int(words[4]),
        start_ticks=int(words[19]),
        exit_status=int(words[49]),
    )


def zombie_status(identity: ProcessIdentity) -> int | None:
    """The wait status of a process that ended and was not reaped, whoever its parent is; None where we may not know it.

    The kernel shows 0 to those who may not know; that we may is proven by reading `io`, which asks for the same right.
    """
    try:
        (PROC / str(identity.pid) / "io").read_bytes()
    except OSError:
        return None
    found = stat_of(identity)
    return found.exit_status if found is not None and found.is_zombie else None


def identity_of(pid: int) -> ProcessIdentity | None:
    """The process that has this pid now (a zombie too), None where there is none."""
    found = read_stat(pid)
    return ProcessIdentity(pid=pid, start_ticks=found.start_ticks, boot_id=boot_id()) if found else None


def own_identity() -> ProcessIdentity:
    found = identity_of(os.getpid())
    assert found is not None
    return found


def stat_of(identity: ProcessIdentity) -> ProcessStat | None:
    """The process that `identity` names, alive or zombie; None where it is gone, whoever has its pid now."""
    if identity.boot_id != boot_id():
        return None
    found = read_stat(identity.pid)
    return found if found is not None and found.start_ticks == identity.start_ticks else None


def is_alive(identity: ProcessIdentity) -> bool:
    """Runs still; a zombie does not."""
    found = stat_of(identity)
    return found is not None and not found.is_zombie


def open_process(identity: ProcessIdentity) -> int | None:
    """A pidfd that means this very process for as long as it is open; None where the process is gone.

    The start is compared after opening, so that a pid used again in between is noticed.
    """
    try:
        handle = os.pidfd_open(identity.pid)
    except (OSError, OverflowError):
        return None
    if stat_of(identity) is None:
        os.close(handle)
        return None
    return handle


def signal_process(identity: ProcessIdentity, number: int) -> bool:
    """Signals this very process and no other; False where it is gone or not ours to signal."""
    handle = open_process(identity)
    if handle is None:
        return False
    try:
        signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def all_processes() -> dict[int, ProcessStat]:
    """Every process of the host that can be seen, by pid."""
    found = (read_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdecimal())
    return {stat.pid: stat for stat in found if stat is not None}


def environment_of(pid: int) -> dict[bytes, bytes]:
    """The environment with which a process was executed; empty where it may not be read."""
    try:
        content = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    return dict(entry.split(b"=", 1) for entry in content.split(b"\0") if b"=" in entry)


def is_of_vlad(pid: int) -> bool:
    """Whether a process is of a run, or guards one, as far as we may see."""
    return not OUR_TAGS.isdisjoint(environment_of(pid))


def stdin_is(pid: int, device: int, inode: int) -> bool:
    """Whether the standard input of `pid` is the file with this device and inode."""
    try:
        found = (PROC / str(pid) / "fd/0").stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (device, inode)


def descendants(roots: Iterable[int], processes: Mapping[int, ProcessStat]) -> set[int]:
    """The pids in `roots` that are in `processes`, their children, and so on."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


def terminal_name(tty: int) -> str | None:
    """The name of a terminal's device number, e.g. "pts/3"; None for no terminal."""
    if tty == 0:
        return None
    major, minor = os.major(tty), os.minor(tty)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 else f"{major}:{minor}"


def started_at(stat: ProcessStat) -> float:
    """When the process started, in Unix seconds."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + stat.start_ticks / os.sysconf("SC_CLK_TCK")


def become_subreaper(is_one: bool = True) -> None:
    """From now on orphans below this process become its children, so that it reads how they ended (or no more)."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, int(is_one), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def release_free_memory() -> None:
    """Gives pages that the allocator holds without need back to the system, where the C library can (glibc)."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)


def set_process_name(name: str) -> None:
    """What `ps` and `top` show; 15 bytes at most."""
    _libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
