"""What the kernel's log says: processes killed for lack of memory, and Xid errors of NVIDIA's driver. Pure.

Formats: Linux mm/oom_kill.c and Documentation/ABI/testing/dev-kmsg; NVIDIA's "Xid Errors".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vlad.policy.advice import Advice
from vlad.records.outcome import Cause, Diagnosis, Evidence
from vlad.records.wording import worded

KERNEL_LOG = "/dev/kmsg"
OUT_OF_MEMORY = re.compile(
    r"(?P<where>Out of memory|Memory cgroup out of memory)[^:]*: (?:Killed|Kill) process (?P<pid>\d+) \((?P<name>.*?)\)"
)
_CGROUP = "the kernel killed process {pid} ({name}): the memory of its memory cgroup (a container's, say) ran out"
KILLED_FOR = {
    "Out of memory": "the kernel killed process {pid} ({name}): the memory of the host ran out",
    "Memory cgroup out of memory": _CGROUP,
}
XID = re.compile(r"NVRM: Xid \((?P<gpu>[^)]*)\): (?P<number>\d+)(?:, pid=(?:'?<unknown>'?|(?P<pid>\d+)))?")
BROKEN_GPU = {
    48: "a double-bit ECC error",
    62: "its controller halted",
    64: "a broken row of its memory could not be replaced",
    74: "an NVLink error",
    79: "it has fallen off the bus",
    92: "too many ECC errors",
    94: "a memory error of this program",
    95: "a memory error of any program",
    119: "its system processor does not answer",
    120: "its system processor failed",
    140: "an ECC error that was not corrected",
}
"""Xids that tell of the card. Others follow from what a program did (13, 31, 43) or from its being killed (45)."""


def gpu_sentence(xid: int) -> str:
    """What an Xid of BROKEN_GPU means, with braces for the card."""
    return f"GPU {{gpu}} failed: {BROKEN_GPU[xid]} (Xid {{number}})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMessage:
    """One message, `at` in Unix seconds."""

    at: float
    text: str


def parsed(record: bytes, booted_at: float) -> KernelMessage | None:
    """A record of /dev/kmsg (`priority,number,microseconds since boot,flags;text`), None for what is none."""
    head, semicolon, rest = record.partition(b";")
    fields = head.split(b",")
    if not semicolon or len(fields) < 4 or not fields[2].isdigit():
        return None
    text = rest.split(b"\n", 1)[0].decode("utf-8", "replace")
    return KernelMessage(at=booted_at + int(fields[2]) / 1e6, text=text)


def is_of_interest(message: KernelMessage) -> bool:
    return OUT_OF_MEMORY.search(message.text) is not None or XID.search(message.text) is not None


def killed_for_memory(messages: Iterable[KernelMessage], ranks: Mapping[int, int | None]) -> Diagnosis | None:
    """A process of the attempt that the kernel names as killed for lack of memory; `ranks` by pid, None for others."""
    for message in messages:
        match = OUT_OF_MEMORY.search(message.text)
        if match is not None and int(match["pid"]) in ranks:
            return Diagnosis.of(
                Cause.HOST_OUT_OF_MEMORY,
                worded(KILLED_FOR[match["where"]], pid=match["pid"], name=match["name"]),
                evidence=(Evidence(file=KERNEL_LOG, text=message.text),),
                confidence="certain",
                advice=Advice.MORE_HOST_MEMORY,
                rank=ranks[int(match["pid"])],
            )
    return None


def broken_gpu(messages: Iterable[KernelMessage], ranks: Mapping[int, int | None]) -> Diagnosis | None:
    """A card that failed while the attempt ran; one on which the kernel names a process of others is not ours."""
    for message in messages:
        match = XID.search(message.text)
        if match is None or int(match["number"]) not in BROKEN_GPU:
            continue
        if match["pid"] is None or int(match["pid"]) in ranks:
            return Diagnosis.of(
                Cause.GPU_FAULT,
                worded(gpu_sentence(int(match["number"])), gpu=match["gpu"], number=match["number"]),
                evidence=(Evidence(file=KERNEL_LOG, text=message.text),),
                confidence="likely" if match["pid"] is None else "certain",
                advice=Advice.LOOK_AT_CARD,
                rank=ranks[int(match["pid"])] if match["pid"] else None,
            )
    return None
