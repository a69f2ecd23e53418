"""How a process ended and why: exits, causes and their evidence, and identities that cannot be mistaken."""

from enum import StrEnum

import msgspec

from vlad.records.wording import Wording, Wordings, word_for_word


class Cause(StrEnum):
    """Why a run or an attempt failed."""

    CUDA_OUT_OF_MEMORY = "CUDA_OUT_OF_MEMORY"
    HOST_OUT_OF_MEMORY = "HOST_OUT_OF_MEMORY"
    NCCL_TIMEOUT = "NCCL_TIMEOUT"
    GPU_FAULT = "GPU_FAULT"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    DISK_FULL = "DISK_FULL"
    MISSING_FILE = "MISSING_FILE"
    MISSING_MODULE = "MISSING_MODULE"
    VERSION_MISMATCH = "VERSION_MISMATCH"
    CHECKPOINT_MISMATCH = "CHECKPOINT_MISMATCH"
    BAD_CONFIG = "BAD_CONFIG"
    HUNG = "HUNG"
    LOST_NODE = "LOST_NODE"
    REBOOT = "REBOOT"
    TIME_LIMIT = "TIME_LIMIT"
    PREEMPTED = "PREEMPTED"
    KILLED = "KILLED"
    EXCEPTION = "EXCEPTION"
    EXITED = "EXITED"
    CANNOT_START = "CANNOT_START"
    UNKNOWN = "UNKNOWN"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A quoted line that speaks for a cause: file relative to the run directory (or absolute) and byte offset."""

    file: str
    offset: int = 0
    text: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A cause with its evidence. `confidence` is "certain", "likely" or "unknown"; `advice` says what to do.

    `wording` is the summary where it is a sentence of ours, and not a program's own words.
    """

    cause: Cause
    summary: str
    evidence: tuple[Evidence, ...] = ()
    confidence: str = "likely"
    advice: str = ""
    rank: int | None = None
    wording: Wording | None = None

    @classmethod
    def of(
        cls, cause: Cause, wording: Wording, *, evidence: tuple[Evidence, ...] = (), confidence: str = "likely",
        advice: str = "", rank: int | None = None,
    ) -> "Diagnosis":  # fmt: skip
        """A diagnosis in a sentence of ours."""
        return cls(
            cause=cause, summary=wording.english, evidence=evidence, confidence=confidence, advice=advice, rank=rank,
            wording=wording,
        )  # fmt: skip

    @property
    def said(self) -> Wordings:
        """The summary, as it can be said in another language."""
        return (self.wording,) if self.wording is not None else word_for_word(self.summary)


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A process that cannot be mistaken for another: the pid with its start (clock ticks since boot) and the boot."""

    pid: int
    start_ticks: int
    boot_id: str


class AgentClaim(msgspec.Struct, frozen=True, kw_only=True):
    """agent.json: who the agent of an attempt is, and how often the kernel had killed for lack of memory before it."""

    identity: ProcessIdentity
    oom_kills: int | None = None


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """exit.json: how torchrun (or the command) ended. Exactly one of `code` and `signal`, neither when unknown."""

    at: float
    code: int | None = None
    signal: int | None = None
    raw_status: int | None = None
    recorded_by: str = ""
    user_s: float | None = None
    system_s: float | None = None
    peak_memory_bytes: int | None = None
    oom_kills: int | None = None

    @property
    def is_success(self) -> bool:
        return self.code == 0
