"""Starts the guard of a run, a keeper with its supervisor, so that it belongs to no terminal and to no parent."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from vlad.policy.attempt import SUPERVISION_VARIABLES
from vlad.records import failpoints
from vlad.records.files import RecordError, refuse_foreign_folder
from vlad.records.rundir import RunDirectory

READY = b"ready\n"
KEPT_ALREADY = b"kept already\n"
BOOT = (
    "import sys; sys.path[:] = {paths!r}; from vlad.supervise.stand_ins import import_leanly; import_leanly(); "
    "from vlad.supervise.keeper import main; main()"
)


def start(run: RunDirectory) -> None:
    """Returns when a keeper, this one or one before, looks after the run. Raises RecordError where none can or may.

    The keeper is a fresh interpreter that finds modules where this one does: no threads, no descriptors of ours.
    """
    for folder in (run.home.path, run.home.runs, run.path):
        refuse_foreign_folder(folder)
    answer, told = os.pipe()
    try:
        child = _spawn(run, told)
    except OSError as error:
        because = f"{error.strerror} ({run.supervisor_log}, {sys.executable})"
        raise RecordError(f"no supervisor of {run.run_id} can be started: {because}") from error
    finally:
        os.close(told)
    with os.fdopen(answer, "rb") as pipe:
        line = pipe.readline()
    os.waitpid(child, 0)
    if line not in (READY, KEPT_ALREADY):
        said = line.decode(errors="replace").strip()
        raise RecordError(said or f"the supervisor of {run.run_id} did not start; see {run.supervisor_log}")


def _spawn(run: RunDirectory, told: int) -> int:
    paths = [*(path for path in sys.path if path), str(Path(__file__).parents[2])]
    argv = [sys.executable, "-I", "-S", "-c", BOOT.format(paths=paths), str(run.path.absolute())]
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    streams = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, told, 1),
        (os.POSIX_SPAWN_OPEN, 2, str(run.supervisor_log), log, 0o600),
    )
    return os.posix_spawn(sys.executable, argv, keeper_environment(os.environ, run.run_id), file_actions=streams)


def keeper_environment(inherited: Mapping[str, str], run_id: str) -> dict[str, str]:
    """What the keeper is executed with, and the job inherits from; without the names of a run around this one."""
    failing = (failpoints.VARIABLE, failpoints.ONCE_VARIABLE)
    kept = {name: value for name, value in inherited.items() if name not in SUPERVISION_VARIABLES or name in failing}
    return {**kept, "VLAD_SUPERVISES": run_id}
