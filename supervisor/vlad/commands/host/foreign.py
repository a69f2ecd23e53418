"""What `vlad ps` shows of trainings that vlad did not start."""

import time

from vlad.commands.text import Column, safe
from vlad.host.foreign import foreign_jobs
from vlad.host.gpu_probe import read_gpus
from vlad.host.gpus import GpuReading, GpusUnreadable, has_driver
from vlad.host.user_config import read_user_config
from vlad.records import figures
from vlad.records.files import RecordError
from vlad.records.foreign import ForeignJob
from vlad.records.outcome import ProcessIdentity
from vlad.records.rundir import Home

GPU_PATIENCE_S = 5.0
COLUMNS = (
    Column(title="PID", right=True),
    Column(title="PROCESSES", right=True, expendable=4),
    Column(title="TTY", expendable=2),
    Column(title="AGE", right=True, expendable=1),
    Column(title="GPUS", expendable=3),
    Column(title="STEP", right=True),
    Column(title="SUCCESS", right=True),
    Column(title="LOG"),
    Column(title="COMMAND", expendable=5),
)


def found_jobs(home: Home) -> list[ForeignJob]:
    """Those of the host that no live run of this user has adopted."""
    return foreign_jobs(read_user_config().foreign, adopted_processes(home), _gpus())


def adopted_processes(home: Home) -> set[ProcessIdentity]:
    """Which processes live runs have adopted."""
    found = set()
    for run_id in home.live_ids():
        try:
            adopted = home.run(run_id).read_spec().adopted
        except RecordError:
            continue
        if adopted is not None:
            found.add(adopted.agent)
    return found


def _gpus() -> tuple[GpuReading, ...] | None:
    """None where the driver does not tell."""
    try:
        return read_gpus(GPU_PATIENCE_S).gpus if has_driver() else None
    except GpusUnreadable:
        return None


def row(job: ForeignJob, command_characters: int) -> list[str]:
    command = safe(" ".join(" ".join(job.command).split()))
    gpus = figures.UNKNOWN if job.gpus is None else ",".join(map(str, job.gpus)) or "none"
    return [
        str(job.process.pid),
        str(len(job.pids)),
        figures.terminal(job.tty),
        figures.age(time.time() - job.started_at),
        gpus,
        figures.count(job.step),
        figures.percent(job.success_rate),
        safe(job.log) if job.log else figures.UNKNOWN,
        command if len(command) <= command_characters else f"{command[: command_characters - 1]}…",
    ]
