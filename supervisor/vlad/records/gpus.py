"""GPUs in records: what a run asks for, what it holds, where it stands in the queue, and who stayed behind on them."""

import msgspec

from vlad.records import figures
from vlad.records.outcome import ProcessIdentity
from vlad.records.wording import Wording, Wordings, english

FREE_BELOW_BYTES = 2 * 2**30
"""A GPU of which others use less memory than this counts as free: a desktop, a monitor."""


class GpuWish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`count` GPUs of this host, any or only those `among` (UUIDs); waited for in the queue of `lock_folder`."""

    count: int
    among: tuple[str, ...] = ()
    lock_folder: str
    free_below_bytes: int = FREE_BELOW_BYTES


class LeasedGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU that a run holds. The index is that of nvidia-smi now; the UUID means this card after a reboot too."""

    uuid: str
    index: int
    name: str = ""


class QueuePlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a queued run waits for. `position` of `length` counts those who wait for GPUs; None for others."""

    reason: str
    position: int | None = None
    length: int | None = None
    wording: Wordings = ()

    @classmethod
    def of(cls, *wording: Wording, position: int | None = None, length: int | None = None) -> "QueuePlace":
        """A place in sentences of ours."""
        return cls(reason=english(wording), position=position, length=length, wording=wording)


class Leftover(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process that could not be ended with its attempt; `gpus` (indices) it still holds, with `used_bytes` there."""

    process: ProcessIdentity
    name: str
    gpus: tuple[int, ...] = ()
    used_bytes: int | None = None

    @property
    def told(self) -> str:
        """E.g. "process 4711 (python) still holds GPU 0, 1 (3.0 GiB)"."""
        used = "" if self.used_bytes is None else f" ({figures.size(self.used_bytes)})"
        held = f" still holds GPU {', '.join(map(str, self.gpus))}{used}" if self.gpus else " could not be ended"
        return f"process {self.process.pid} ({self.name}){held}"
