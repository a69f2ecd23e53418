"""Gathers from files what may tell why an attempt died: the end of its log and the error files of its ranks."""

import json
import os
from pathlib import Path
from typing import Any

from vlad.host.kernel_log import kernel_messages
from vlad.policy.failure import Excerpt, Failure, RankError
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import RecordError
from vlad.records.run import Exit
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind

TAIL_BYTES = 512 * 1024
ERROR_FILE_BYTES = 256 * 1024
ERROR_FILES = 64
CLOCKS_DIFFER_S = 1.0


def failure_of(run: RunDirectory, number: int, ended: Exit | None = None) -> Failure:
    """Everything known about the end of attempt `number`; `ended` where its exit.json is not written (yet).

    Reads at most half a MB of the log. Missing files are no error: they are just no evidence.
    """
    attempt = run.attempt(number)
    recorded = ended or attempt.read_exit() or Exit(at=0.0)
    claim = attempt.read_agent()
    return Failure(
        exit=recorded,
        agent_pid=claim.identity.pid if claim else None,
        kernel=kernel_messages(_began_at(attempt)),
        kind=_kind(run),
        console=tail(attempt.console, run.path),
        rank_errors=rank_errors(attempt.ranks, run.path),
        exit_file=_shown(attempt.exit, run.path),
    )


def _began_at(attempt: AttemptDirectory) -> float:
    """When the agent claimed the attempt, just before its program was executed; never, where none has."""
    try:
        return attempt.agent.stat().st_mtime - CLOCKS_DIFFER_S
    except OSError:
        return float("inf")


def _kind(run: RunDirectory) -> Kind:
    try:
        return run.read_spec().kind
    except RecordError:
        return Kind.COMMAND


def tail(path: Path, root: Path, size: int = TAIL_BYTES) -> Excerpt:
    """The last `size` bytes of a file, named relative to `root`; empty where the file cannot be read."""
    try:
        with path.open("rb") as file:
            start = max(0, os.fstat(file.fileno()).st_size - size)
            file.seek(start)
            return Excerpt(file=_shown(path, root), start=start, content=file.read(size))
    except OSError:
        return Excerpt(file=_shown(path, root))


def rank_errors(folder: Path, root: Path) -> tuple[RankError, ...]:
    """The torchelastic error files below torchrun's log folder (`<id>/attempt_<n>/<local rank>/error.json`)."""
    found = [_rank_error(path, root) for path in sorted(folder.glob("*/attempt_*/*/error.json"))[:ERROR_FILES]]
    return tuple(error for error in found if error is not None)


def _rank_error(path: Path, root: Path) -> RankError | None:
    try:
        with path.open("rb") as file:
            document: Any = json.loads(file.read(ERROR_FILE_BYTES))
        told = document["message"]
        message, extra = (told, {}) if isinstance(told, str) else (told["message"], told.get("extraInfo", {}))
        at = float(extra.get("timestamp", path.stat().st_mtime))
        return RankError(rank=int(path.parent.name), at=at, message=str(message), file=_shown(path, root))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
