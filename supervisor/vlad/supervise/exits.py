"""How children ended: the agent's exit is on the disk before its zombie is reaped; a kill in between loses nothing."""

import ctypes
import fcntl
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from vlad.host.cgroup import oom_kills
from vlad.host.processes import identity_of
from vlad.records import failpoints
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import replace_file
from vlad.records.outcome import Exit
from vlad.records.rundir import RunDirectory

if TYPE_CHECKING:
    import resource

PIDFD_INFO_EXIT = 1 << 3


class _PidfdInfo(ctypes.Structure):
    """struct pidfd_info of the kernel, first version (64 bytes)."""

    _fields_ = (
        ("mask", ctypes.c_uint64),
        ("cgroup", ctypes.c_uint64),
        ("ids", ctypes.c_uint32 * 11),
        ("exit_code", ctypes.c_int32),
    )


PIDFD_GET_INFO = (3 << 30) | (ctypes.sizeof(_PidfdInfo) << 16) | (0xFF << 8) | 11


def ended_children() -> Iterator[os.waitid_result]:
    """Children of this process that have ended, each still a zombie: `reap` them, or they come again."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        yield ended


def reap(run: RunDirectory, ended: os.waitid_result) -> None:
    """Reaps a child; if it is the agent of the newest attempt, its exit is written first, and its usage after."""
    attempt = _attempt_of(run, ended.si_pid)
    if attempt is None:
        os.waitpid(ended.si_pid, 0)
        return
    found = _with_oom_kills(attempt, exit_from_status(_wait_status(ended), "parent"))
    failpoints.reach("exit.before")
    write_exit(attempt, found)
    failpoints.reach("exit.after")
    _, _, usage = os.wait4(ended.si_pid, 0)
    failpoints.reach("exit.reaped")
    write_exit(attempt, _with_usage(found, usage))


def reap_children(run: RunDirectory) -> None:
    """Reaps every child that has ended."""
    for ended in ended_children():
        reap(run, ended)


def _attempt_of(run: RunDirectory, pid: int) -> AttemptDirectory | None:
    """The newest attempt, if the (zombie) child with this pid is its agent."""
    attempt = run.newest_attempt()
    claim = attempt.read_agent() if attempt else None
    if claim is None or claim.identity != identity_of(pid):
        return None
    return attempt


def exit_from_status(status: int, witness: str) -> Exit:
    """An exit from a wait status."""
    by = f"{witness} {os.getpid()}"
    if os.WIFSIGNALED(status):
        return Exit(at=time.time(), signal=os.WTERMSIG(status), raw_status=status, recorded_by=by)
    return Exit(at=time.time(), code=os.WEXITSTATUS(status), raw_status=status, recorded_by=by)


def _wait_status(ended: os.waitid_result) -> int:
    """waitid tells code or signal in a field of their own; wait statuses have both in one number."""
    if ended.si_code == os.CLD_EXITED:
        return ended.si_status << 8
    return ended.si_status | (0x80 if ended.si_code == os.CLD_DUMPED else 0)


def exit_from_pidfd(handle: int) -> Exit | None:
    """How a process that somebody else has reaped ended, by its pidfd: Linux 6.15 and newer know; None elsewhere."""
    info = _PidfdInfo(mask=PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(handle, PIDFD_GET_INFO, info)
    except OSError:
        return None
    return exit_from_status(info.exit_code, "pidfd of") if info.mask & PIDFD_INFO_EXIT else None


def unknown_exit() -> Exit:
    return Exit(at=time.time(), recorded_by="nobody")


def _with_oom_kills(attempt: AttemptDirectory, exit: Exit) -> Exit:
    """Adds how often the kernel has killed for lack of memory since the agent was started."""
    claim, now = attempt.read_agent(), oom_kills()
    if claim is None or claim.oom_kills is None or now is None:
        return exit
    return msgspec.structs.replace(exit, oom_kills=now - claim.oom_kills)


def write_exit(attempt: AttemptDirectory, exit: Exit) -> None:
    replace_file(attempt.exit, msgspec.json.encode(exit), during="exit.during")


def write_exit_once(attempt: AttemptDirectory, exit: Exit) -> Exit:
    """Keeps what is recorded already; returns what is recorded now."""
    recorded = attempt.read_exit()
    if recorded is not None:
        return recorded
    write_exit(attempt, exit)
    return exit


def _with_usage(exit: Exit, usage: "resource.struct_rusage") -> Exit:
    """Adds what the agent and the descendants that it has waited for have used."""
    return msgspec.structs.replace(
        exit, user_s=usage.ru_utime, system_s=usage.ru_stime, peak_memory_bytes=usage.ru_maxrss * 1024
    )
