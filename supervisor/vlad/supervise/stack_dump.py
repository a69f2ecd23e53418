"""Writes what the processes of a run do now into its folder; also as a short process of its own, for the supervisor."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from vlad.host import processes
from vlad.host.gpus import GpusUnreadable, has_driver
from vlad.host.stacks import Stack, py_spy, read_stacks
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import RecordError, private_folder, replace_file
from vlad.records.outcome import ProcessIdentity
from vlad.records.rundir import RunDirectory
from vlad.supervise.worker_group import members

MOST_PROCESSES = 64
PATIENCE_S = 60
GPU_PATIENCE_S = 5.0
NO_RANK = 1 << 30


def main() -> None:
    """The supervisor executes this with the run directory and the file to write as the last two arguments."""
    signal.alarm(PATIENCE_S)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s", level=logging.WARNING)
    dump(RunDirectory(Path(sys.argv[-2])), Path(sys.argv[-1]))


def new_dump_file(attempt: AttemptDirectory) -> Path:
    """A name that no dump has yet; one writer a file."""
    return attempt.stacks / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"


def dump(run: RunDirectory, file: Path) -> str:
    """The stacks of the run's Python processes now, ranks first; written to `file` whole, and returned.

    Of a run without Python it says what the kernel tells. Raises RecordError where the run has no process.
    """
    found = _wanted_processes(run)
    if not found:
        raise RecordError(f"{run.run_id} has no process now; `vlad why {run.run_id}` says how it stands")
    stacks = read_stacks([process for process, _ in found], file.parent)
    labels = dict(found)
    text = "\n".join([_header(stacks), *(_section(labels[stack.process], stack) for stack in stacks)])
    private_folder(file.parent)
    replace_file(file, text.encode())
    return text


def _wanted_processes(run: RunDirectory) -> list[tuple[ProcessIdentity, str]]:
    """Each with who it is; shells and other programs, which have no Python stack, only where there is nothing else."""
    everyone = members(run)
    wanted = [process for process in everyone if _is_python(process.pid)] or everyone
    found = [(_rank(process), process) for process in wanted]
    ordered = sorted(found, key=lambda one: (NO_RANK if one[0] is None else one[0], one[1].start_ticks))
    return [(process, _label(rank, process)) for rank, process in ordered[:MOST_PROCESSES]]


def _is_python(pid: int) -> bool:
    try:
        program = (processes.PROC / str(pid) / "exe").readlink().name
    except OSError:
        return False
    return program.startswith(("python", "pypy"))


def _rank(process: ProcessIdentity) -> int | None:
    """torchrun gives every rank its number; what a rank starts inherits it, but not the rank's session."""
    number = processes.environment_of(process.pid).get(b"RANK", b"")
    stat = processes.stat_of(process)
    return int(number) if number.isdigit() and stat is not None and stat.session == stat.pid else None


def _label(rank: int | None, process: ProcessIdentity) -> str:
    who = f"process {process.pid}" if rank is None else f"rank {rank}, process {process.pid}"
    return f"{who} ({_command(process.pid)})"


def _command(pid: int) -> str:
    """Without arguments, which may be long or secret."""
    try:
        words = (processes.PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    scripts = [word for word in words if word.endswith(".py")]
    module = next((following for word, following in pairwise(words) if word == "-m"), "")
    return Path(scripts[0]).name if scripts else module or Path(words[0]).name


def _header(stacks: Iterable[Stack]) -> str:
    lines = [f"Stacks of {time.strftime('%Y-%m-%d %H:%M:%S')}, innermost call first.", *_gpu_lines()]
    if any(stack.source is None and _is_python(stack.process.pid) for stack in stacks):
        why = "py-spy may not read it" if py_spy() else "py-spy is not installed (`pip install py-spy`)"
        lines.append(f"A process without a stack: {why}, and it has not registered with vlad.report.")
    return "\n".join(lines) + "\n"


def _gpu_lines() -> list[str]:
    """Whether GPUs compute is a second witness; one that waits in a collective looks busy too."""
    if not has_driver():
        return []
    from vlad.host.gpu_probe import read_gpus

    try:
        gpus = read_gpus(GPU_PATIENCE_S).gpus
    except GpusUnreadable as error:
        return [f"GPUs: {error}"]
    told = [f"{gpu.index} at {gpu.utilisation} %" for gpu in gpus if gpu.utilisation is not None]
    return [f"GPUs: {', '.join(told)}"] if told else []


def _section(label: str, stack: Stack) -> str:
    source = f"by {stack.source}\n" if stack.source else ""
    return f"== {label} ==\n{source}{stack.text}"
