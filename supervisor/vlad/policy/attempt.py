"""How an attempt of a run is launched: its command line and its environment."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vlad.records.progress import CheckpointBegun, CheckpointSaved
from vlad.records.spec import Kind, RunSpec

RESUME_FLAG = "--resume_adapter_dir"

TERMINAL_VARIABLES = frozenset(
    {
        "COLUMNS", "LINES", "OLDPWD", "SHLVL", "SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "STY",
        "TERM_SESSION_ID", "TMUX", "TMUX_PANE", "VSCODE_IPC_HOOK_CLI", "WINDOW", "WINDOWID", "_",
    }
)  # fmt: skip
"""What belongs to the terminal from which a run was started, and means nothing after it is closed."""

SUPERVISION_VARIABLES = frozenset(
    {"VLAD_ATTEMPT", "VLAD_FAILPOINTS", "VLAD_FAILPOINTS_ONCE", "VLAD_RUN_DIR", "VLAD_RUN_ID", "VLAD_SUPERVISES"}
)
"""What names a run and its supervisors: never inherited by a run that is started from inside another."""


def attempt_argv(spec: RunSpec, checkpoint: CheckpointBegun | CheckpointSaved | None) -> tuple[str, ...]:
    """The command of the next attempt: a trainer goes on from the checkpoint that it last saved in this run."""
    if spec.kind is not Kind.TRAIN or checkpoint is None:
        return spec.argv
    return (*spec.argv, RESUME_FLAG, checkpoint.path)


def job_environment(
    inherited: Mapping[str, str], spec: RunSpec, run_directory: Path, attempt: int, gpus: Sequence[str] = ()
) -> dict[str, str]:
    """What an attempt is executed with; it sees the `gpus` (UUIDs) that it holds and no others.

    `inherited` is what the run was started with: kept in memory only, so that secrets reach the program and no file.
    What the spec has recorded wins over it, and what names the run over both. PET_LOG_DIR is torchrun's own --log-dir.
    """
    dropped = TERMINAL_VARIABLES | SUPERVISION_VARIABLES
    kept = {name: value for name, value in inherited.items() if name not in dropped}
    ours = {"VLAD_RUN_ID": spec.run_id, "VLAD_RUN_DIR": str(run_directory), "VLAD_ATTEMPT": str(attempt)}
    logs = {"PET_LOG_DIR": str(run_directory / "attempts" / str(attempt) / "ranks")}
    seen = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    return {**kept, **logs, **spec.environment, **seen, **ours}
