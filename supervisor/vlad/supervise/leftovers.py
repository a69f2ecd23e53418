"""Who the processes are that could not be ended with their attempt, and which GPUs they still hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlad.host import processes
from vlad.records.gpus import Leftover
from vlad.records.outcome import ProcessIdentity
from vlad.supervise.remarks import remark

if TYPE_CHECKING:
    from vlad.host.gpus import GpuReading

PATIENCE_S = 5.0


def leftovers(found: Sequence[ProcessIdentity]) -> tuple[Leftover, ...]:
    """Each that lives still, with its name and GPUs; the latter as far as the driver tells."""
    from vlad.host.gpus import has_driver  # that anything is left behind is rare

    gpus = _readings() if has_driver() else ()
    stats = ((process, processes.stat_of(process)) for process in found)
    return tuple(_leftover(process, stat.name, gpus) for process, stat in stats if stat is not None)


def _readings() -> "tuple[GpuReading, ...]":
    from vlad.host.gpu_probe import read_gpus
    from vlad.host.gpus import GpusUnreadable

    try:
        return read_gpus(PATIENCE_S).gpus
    except GpusUnreadable as error:
        remark(f"who holds which GPU is not known: {error}")
        return ()


def _leftover(process: ProcessIdentity, name: str, gpus: "Sequence[GpuReading]") -> Leftover:
    held = [(gpu.index, holder) for gpu in gpus for holder in gpu.holders if holder.pid == process.pid]
    used = [holder.used_bytes for _, holder in held if holder.used_bytes is not None]
    indices = tuple(index for index, _ in held)
    return Leftover(process=process, name=name, gpus=indices, used_bytes=sum(used) if used else None)
