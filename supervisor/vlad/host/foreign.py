"""Finds trainings of this host that vlad has not started, groups their processes into jobs, and reads their logs."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from vlad.host import processes
from vlad.host.evidence import tail
from vlad.host.gpus import GpuReading
from vlad.host.open_files import newest_log, open_log, output_file
from vlad.host.processes import PROC, ProcessStat
from vlad.parsers.lines import facts_of
from vlad.parsers.reading import Circumstances, Reading, read
from vlad.policy.training_programs import is_training, roots_of
from vlad.records.foreign import KNOWN_LOGS, KNOWN_PROGRAMS, ForeignJob, ForeignSettings
from vlad.records.outcome import ProcessIdentity


def foreign_jobs(
    settings: ForeignSettings, adopted: Collection[ProcessIdentity] = (), gpus: Sequence[GpuReading] | None = None
) -> list[ForeignJob]:
    """The jobs, oldest first, without those whose first process is `adopted` already. Only reads; signals nobody."""
    table = {pid: stat for pid, stat in processes.all_processes().items() if not stat.is_zombie}
    patterns = (*KNOWN_PROGRAMS, *settings.programs)
    trainings = [pid for pid in table if is_training(command_of(pid), patterns) and not processes.is_of_vlad(pid)]
    roots = set(roots_of(trainings, {pid: stat.parent for pid, stat in table.items()}).values())
    jobs = [_job(table[root], table, settings, gpus) for root in sorted(roots)]
    return sorted((one for one in jobs if one.process not in adopted), key=lambda one: one.started_at)


def described(pid: int, settings: ForeignSettings) -> ForeignJob | None:
    """The job that consists of a process and all below it, whatever it is; None where there is no such process."""
    table = processes.all_processes()
    return _job(table[pid], table, settings, None) if pid in table and not table[pid].is_zombie else None


def command_of(pid: int) -> tuple[str, ...]:
    """The command line; empty for kernel threads and for what we may not see."""
    try:
        content = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(word.decode(errors="surrogateescape") for word in content.removesuffix(b"\0").split(b"\0"))


def _job(
    root: ProcessStat, table: dict[int, ProcessStat], settings: ForeignSettings, gpus: Sequence[GpuReading] | None
) -> ForeignJob:
    pids = (root.pid, *sorted(processes.descendants([root.pid], table) - {root.pid}))
    started_at = processes.started_at(root)
    log, log_by = _log_of(pids, table, settings, started_at)
    step, success_rate = _told_by(log) if log else (None, None)
    held = None if gpus is None else tuple(gpu.index for gpu in gpus if any(one.pid in pids for one in gpu.holders))
    return ForeignJob(
        process=ProcessIdentity(pid=root.pid, start_ticks=root.start_ticks, boot_id=processes.boot_id()),
        pids=pids, user=_user_of(root.pid), command=command_of(root.pid), started_at=started_at,
        tty=processes.terminal_name(root.tty), cwd=_cwd_of(root.pid), gpus=held,
        log=str(log) if log else None, log_by=log_by, step=step, success_rate=success_rate,
    )  # fmt: skip


def _log_of(
    pids: Sequence[int], table: dict[int, ProcessStat], settings: ForeignSettings, started_at: float
) -> tuple[Path | None, str]:
    """The most certain place first: where the output goes, then a log that is open, then the newest of a folder."""
    for pid in pids:
        if (found := output_file(pid, table)) is not None:
            return found
    if (opened := open_log(pids)) is not None:
        return opened, "open file"
    newest = newest_log(settings.log_folders, KNOWN_LOGS, started_at)
    return (newest, "newest of its folder") if newest else (None, "")


def _told_by(log: Path) -> tuple[int | None, float | None]:
    """Step and success rate at the end of a log."""
    reading, rate = Reading(), None
    now = Circumstances(at=time.time(), attempt=1)
    for fact in facts_of(tail(log, log.parent).content):
        reading, records = read(reading, fact, now)
        rate = next((one.success_rate for one in reversed(records) if hasattr(one, "success_rate")), rate)
    return reading.step, rate


def _user_of(pid: int) -> int:
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return -1


def _cwd_of(pid: int) -> str | None:
    try:
        return str((PROC / str(pid) / "cwd").readlink())
    except OSError:
        return None
