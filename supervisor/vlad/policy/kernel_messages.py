"""What the kernel's log says: processes killed for lack of memory, and Xid errors of NVIDIA's driver. Pure.

Formats: Linux mm/oom_kill.c and Documentation/ABI/testing/dev-kmsg; NVIDIA's "Xid Errors".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vlad.records.outcome import Cause, Diagnosis, Evidence

KERNEL_LOG = "/dev/kmsg"
OUT_OF_MEMORY = re.compile(
    r"(?P<where>Out of memory|Memory cgroup out of memory)[^:]*: (?:Killed|Kill) process (?P<pid>\d+) \((?P<name>.*?)\)"
)
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
            where = "the host" if match["where"] == "Out of memory" else "its memory cgroup (a container's, say)"
            return Diagnosis(
                cause=Cause.HOST_OUT_OF_MEMORY,
                summary=f"the kernel killed process {match['pid']} ({match['name']}): the memory of {where} ran out",
                evidence=(Evidence(file=KERNEL_LOG, text=message.text),),
                confidence="certain",
                advice="lower num_workers or shuffle_buffer_size, or give the host or container more memory",
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
            return Diagnosis(
                cause=Cause.GPU_FAULT,
                summary=f"GPU {match['gpu']} failed: {BROKEN_GPU[int(match['number'])]} (Xid {match['number']})",
                evidence=(Evidence(file=KERNEL_LOG, text=message.text),),
                confidence="likely" if match["pid"] is None else "certain",
                advice="`vlad doctor` shows its health; a card that does it again needs a reset or a repair",
                rank=ranks[int(match["pid"])] if match["pid"] else None,
            )
    return None
