"""What the kernel allows: watching files, reading its log, looking into processes, open files."""

import os
import resource
from pathlib import Path

from vlad.host.health.finding import Finding, Level
from vlad.host.stacks import py_spy

FEW_WATCHES, FEW_INSTANCES = 8192, 128
FEW_FILES = 4096
CAP_SYS_PTRACE = 1 << 19


def check_inotify(settings: Path = Path("/proc/sys/fs/inotify")) -> Finding:
    try:
        watches = int((settings / "max_user_watches").read_text())
        instances = int((settings / "max_user_instances").read_text())
    except (OSError, ValueError):
        found = "this kernel does not tell its limits; vlatui looks every second instead where it cannot watch"
        return Finding(check="inotify", level=Level.NOTE, found=found)
    found = f"{watches} watches and {instances} instances a user"
    if watches >= FEW_WATCHES and instances >= FEW_INSTANCES:
        return Finding(check="inotify", level=Level.OK, found=found)
    return Finding(
        check="inotify", level=Level.WARNING, found=found,
        advice=f"sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances={FEW_INSTANCES * 8}",
    )  # fmt: skip


def check_kernel_log(device: Path = Path("/dev/kmsg")) -> Finding:
    """Witness of OOM kills and of GPU faults."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return Finding(
            check="kernel log", level=Level.NOTE, found=f"{device} cannot be read: {error.strerror}",
            advice="`vlad why` then has no witness of OOM kills and GPU faults but cgroup counters and the log; "
            "sysctl kernel.dmesg_restrict=0 or the group adm would let it",
        )  # fmt: skip
    return Finding(check="kernel log", level=Level.OK, found="can be read")


def check_ptrace(
    scope: Path = Path("/proc/sys/kernel/yama/ptrace_scope"), status: Path = Path("/proc/self/status")
) -> Finding:
    """Whether another process's stack can be dumped."""
    try:
        restriction = int(scope.read_text())
    except (OSError, ValueError):
        restriction = 0
    if restriction == 0 or (restriction < 3 and _capabilities(status) & CAP_SYS_PTRACE):
        found = "stacks of hung ranks can be read from outside"
        missing = "" if py_spy() else ", once py-spy is installed (`pip install py-spy`); else ranks tell their own"
        return Finding(check="ptrace", level=Level.OK, found=found + missing)
    return Finding(
        check="ptrace", level=Level.NOTE, found=f"kernel.yama.ptrace_scope is {restriction}",
        advice="stacks of hung ranks come from the ranks themselves; 0, or CAP_SYS_PTRACE, would let py-spy read them",
    )  # fmt: skip


def _capabilities(status: Path) -> int:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def check_open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft} a process" if hard != resource.RLIM_INFINITY else f"{soft} a process, more on demand"
    if soft >= FEW_FILES or soft == resource.RLIM_INFINITY:
        return Finding(check="open files", level=Level.OK, found=found)
    advice = (
        f"`ulimit -n {hard if 0 < hard < 65536 else 65536}` before `vlad start`: data loaders with workers open many"
    )
    return Finding(check="open files", level=Level.NOTE, found=found, advice=advice)
