"""What `--gpus` and CUDA_VISIBLE_DEVICES mean on this host. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlad.policy.allocate import GpuUse

AUTO = "auto"
NONE = "none"
FORMS = "a number, auto, none, or a list such as 0,2 or 0, (indices of nvidia-smi, or UUIDs)"


class BadGpus(Exception):
    """GPUs that cannot be meant; the message is the one line to print."""


@dataclass(frozen=True, slots=True)
class AskedGpus:
    """`count` GPUs (None: one a process), any or only those with these `names` (indices, UUIDs or their beginnings)."""

    count: int | None
    names: tuple[str, ...] = ()


def asked_gpus(text: str) -> AskedGpus | None:
    """What was asked for; None for none. Raises BadGpus."""
    if text == NONE:
        return None
    if text == AUTO:
        return AskedGpus(None)
    if "," in text or text.startswith("GPU-"):
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        if not names or len(set(names)) < len(names) or not all(_is_name(name) for name in names):
            raise BadGpus(f"--gpus {text!r}: it must be {FORMS}")
        return AskedGpus(len(names), names)
    if not text.isascii() or not text.isdigit():
        raise BadGpus(f"--gpus {text!r}: it must be {FORMS}")
    if int(text) == 0:
        raise BadGpus("--gpus 0: say none for none, or 0, for the GPU with index 0")
    return AskedGpus(int(text))


def _is_name(name: str) -> bool:
    return name.isascii() and (name.isdigit() or name.startswith("GPU-"))


def chosen_gpus(
    asked: AskedGpus, visible: str | None, processes: int, gpus: Sequence[GpuUse]
) -> tuple[int, tuple[str, ...]]:
    """How many, and among which (UUIDs; none = all of the host). `visible` is CUDA_VISIBLE_DEVICES.

    Raises BadGpus for what this host does not have.
    """
    count = processes if asked.count is None else asked.count
    names = asked.names or (None if visible is None else _visible_names(visible))
    among = None if names is None else tuple(_uuid(name, gpus) for name in names)
    there = len(gpus if among is None else among)
    if count > there:
        limit = "this host has" if visible is None or asked.names else f"CUDA_VISIBLE_DEVICES={visible} leaves"
        raise BadGpus(f"{count} GPUs are asked for, but {limit} {there}")
    return count, among or ()


def _visible_names(visible: str) -> tuple[str, ...]:
    """As CUDA reads it: everything up to the first name that is none."""
    names: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        if not _is_name(name):
            break
        names.append(name)
    return tuple(names)


def _uuid(name: str, gpus: Sequence[GpuUse]) -> str:
    is_index = name.isdigit()
    found = [gpu.uuid for gpu in gpus if (gpu.index == int(name) if is_index else gpu.uuid.startswith(name))]
    if len(found) != 1 or not found[0]:
        there = ", ".join(str(gpu.index) for gpu in gpus if gpu.uuid) or "none"
        raise BadGpus(f"there is no GPU {name} on this host; there: {there} (`vlad gpus` shows them)")
    return found[0]
