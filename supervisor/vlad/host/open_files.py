"""Where a process writes: the file behind its output, through redirections, pipes and tee."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from vlad.host.processes import PROC, ProcessStat

MOST_PIPES = 4
LOG_SUFFIXES = (".log", ".txt", ".out")
WRITING = os.O_WRONLY | os.O_RDWR


def output_file(pid: int, table: dict[int, ProcessStat], pipes_left: int = MOST_PIPES) -> tuple[Path, str] | None:
    """The regular file that gets the standard output (or else error) of `pid`, and how: "redirection" or "tee"."""
    for handle in (1, 2):
        target = _target(pid, handle)
        if (path := _regular_file(target)) is not None:
            return path, "redirection"
        if target.startswith("pipe:") and pipes_left and (found := _behind_pipe(target, table, pipes_left - 1)):
            return found
    return None


def _behind_pipe(pipe: str, table: dict[int, ProcessStat], pipes_left: int) -> tuple[Path, str] | None:
    """What the reader of a pipe writes: the first file of tee, or the output of another filter."""
    for reader in table.values():
        if _target(reader.pid, 0) != pipe:
            continue
        if reader.name == "tee":
            return next(((path, "tee") for path in written_files(reader.pid)), None)
        if (found := output_file(reader.pid, table, pipes_left)) is not None:
            return found
    return None


def open_log(pids: Iterable[int]) -> Path | None:
    """A file that one of these processes has open for writing and that is named like a log."""
    written = (path for pid in pids for path in written_files(pid))
    return next((path for path in written if path.suffix in LOG_SUFFIXES), None)


def written_files(pid: int) -> Iterator[Path]:
    """Regular files that a process has open for writing, apart from its standard streams; none where we may not see."""
    try:
        handles = sorted(int(entry.name) for entry in (PROC / str(pid) / "fd").iterdir())
    except OSError:
        return
    for handle in handles:
        path = _regular_file(_target(pid, handle)) if handle > 2 else None
        if path is not None and _is_for_writing(pid, handle):
            yield path


def newest_log(folders: Iterable[str], pattern: str, since: float) -> Path | None:
    """The log in these folders that was written last, if it was written `since` (Unix seconds)."""
    found = [path for folder in folders for path in Path(folder).expanduser().glob(pattern)]
    dated = [(path.stat().st_mtime, path) for path in found if path.is_file()]
    return max((one for one in dated if one[0] >= since), default=(0.0, None))[1]


def _target(pid: int, handle: int) -> str:
    try:
        return str((PROC / str(pid) / "fd" / str(handle)).readlink())
    except OSError:
        return ""


def _regular_file(target: str) -> Path | None:
    """None for pipes, terminals, /dev/null and files that were removed."""
    try:
        return Path(target) if target.startswith("/") and Path(target).is_file() else None
    except OSError:
        return None


def _is_for_writing(pid: int, handle: int) -> bool:
    try:
        told = (PROC / str(pid) / "fdinfo" / str(handle)).read_text()
    except OSError:
        return False
    flags = next((line.split()[1] for line in told.splitlines() if line.startswith("flags:")), "0")
    return bool(int(flags, 8) & WRITING)
