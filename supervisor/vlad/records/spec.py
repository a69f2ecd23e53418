"""spec.json: what was asked for when a run was started. Immutable."""

from enum import StrEnum

import msgspec

from vlad.records.gpus import GpuWish

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


class Predecessor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that must have succeeded (or only ended, with `any_end`) before this one starts."""

    run_id: str
    any_end: bool = False


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved field of the trainer's configuration and where its value came from."""

    value: str | int | float | bool | list[int] | None
    origin: str


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to launch an attempt again, on this host or another."""

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
    gpus: GpuWish | None = None
    priority: int = 0
    after: tuple[Predecessor, ...] = ()
    created_at: float
    created_by: str
    host: str
    tty: str | None = None
    git_commit: str | None = None
    packages: dict[str, str] = {}
