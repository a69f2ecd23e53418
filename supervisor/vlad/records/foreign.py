"""Trainings of this host that vlad has not started: what is known about each."""

import msgspec

from vlad.records.outcome import ProcessIdentity

KNOWN_PROGRAMS = (
    "torchrun", "torch.distributed.run", "torch.distributed.launch", "accelerate", "accelerate-launch",
    "accelerate.commands.launch", "deepspeed", "finetune*.py", "run_method_train*.sh", "lerobot-train",
    "lerobot.scripts.*train*", "lerobot_train.py",
)  # fmt: skip
KNOWN_LOGS = "RUN_METHOD_RESUME_*.log"


class ForeignSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`programs`: further names (with * and ?) of scripts that train. `log_folders`: where their logs may be."""

    programs: tuple[str, ...] = ()
    log_folders: tuple[str, ...] = ()


class ForeignJob(msgspec.Struct, frozen=True, kw_only=True):
    """A training: `process` was started first, `pids` are all of it. None = not known, or not ours to know.

    `log_by` says how the log was found; `step` and `success_rate` (percent) are what its end tells.
    """

    process: ProcessIdentity
    pids: tuple[int, ...]
    user: int
    command: tuple[str, ...]
    started_at: float
    tty: str | None = None
    cwd: str | None = None
    gpus: tuple[int, ...] | None = None
    log: str | None = None
    log_by: str = ""
    step: int | None = None
    success_rate: float | None = None
