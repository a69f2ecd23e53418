"""spec.json: what was asked for when a run was started. Immutable."""

from enum import StrEnum

import msgspec

from vlad.records.gpus import GpuWish
from vlad.records.outcome import ProcessIdentity

SPEC_SCHEMA = 1


class Kind(StrEnum):
    """Whose program the run is."""

    TRAIN = "train"
    COMMAND = "command"


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff with a cap; `budget` restarts without checkpoint progress, refilled by progress."""

    budget: int = 5
    backoff_s: float = 5.0
    backoff_factor: float = 2.0
    backoff_cap_s: float = 300.0


class StopLadder(msgspec.Struct, frozen=True, kw_only=True):
    """Grace of each rung: the request to save and exit, SIGTERM to the agent, then SIGKILL to every proven process."""

    request_grace_s: float = 120.0
    term_grace_s: float = 30.0
    kill_grace_s: float = 10.0


class OnHang(StrEnum):
    """What becomes of a run that counts as hung; its stacks are dumped before, except where nothing is done."""

    RESTART = "restart"
    REPORT = "report"
    NOTHING = "nothing"


class HangPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a run may tell nothing, in seconds, and what then.

    `after_s` counts in training; None = learned from the run's own step times, `least_s` at least (longer than the ten
    minutes after which NCCL itself gives up and says why). `other_s` counts while loading, evaluating and saving, and
    for a program that is followed by its log.
    """

    action: OnHang = OnHang.REPORT
    after_s: float | None = None
    least_s: float = 720.0
    other_s: float = 3600.0


class Predecessor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that must have succeeded (or only ended, with `any_end`) before this one starts."""

    run_id: str
    any_end: bool = False


class EarlyStopWish(msgspec.Struct, frozen=True, kw_only=True):
    """When to stop a program that does not do so itself: after `patience` evaluations that gain at most `min_delta`."""

    patience: int = 5
    min_delta: float = 0.1


class LinePattern(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A user's regular expression (RE2) for log lines that tell a step or an evaluation, by named groups."""

    step: str | None = None
    evaluation: str | None = None


class Adopted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first attempt is a process that ran already; `log` is where its output goes, if anywhere that can be read."""

    agent: ProcessIdentity
    log: str | None = None


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved field of the trainer's configuration and where its value came from."""

    value: str | int | float | bool | list[int] | None
    origin: str


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to launch an attempt again, on this host or another.

    `part_of` is the id of the run that it works for, as an evaluation beside a training does.
    `tty` is the terminal where it was asked for; with `has_terminal` the job has one of its own (`vlad attach`).
    """

    schema: int = SPEC_SCHEMA
    run_id: str
    name: str
    kind: Kind
    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str] = {}
    nproc: int | None = None
    config: dict[str, ConfigValue] = {}
    config_file: str | None = None
    resume_from: str | None = None
    restart: RestartPolicy = RestartPolicy()
    stop: StopLadder = StopLadder()
    hang: HangPolicy = HangPolicy()
    gpus: GpuWish | None = None
    priority: int = 0
    after: tuple[Predecessor, ...] = ()
    part_of: str | None = None
    early_stop: EarlyStopWish | None = None
    log_patterns: tuple[LinePattern, ...] = ()
    adopted: Adopted | None = None
    created_at: float
    created_by: str
    host: str
    tty: str | None = None
    has_terminal: bool = False
    git_commit: str | None = None
    packages: dict[str, str] = {}
