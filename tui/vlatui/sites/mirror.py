"""Records of runs of another host as files of this one, so that all that reads runs reads these."""

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from vlad.records.files import replace_file
from vlad.records.rundir import Home
from vlad.remote.protocol import FileMark, FilePiece, FilesRead, LogSeen
from vlad.remote.run_files import GROWING, REPLACED

PREFIX = "vlatui-"


class Mirror:
    """A folder of our own for one connection's host; gone when closed. Used by one thread, but for `close`."""

    def __init__(self, label: str) -> None:
        base = cache_folder()
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        forget_left_over(base)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{label}-", dir=base))
        self.home = Home(self._folder / "home").prepare()
        self._marks: dict[str, dict[str, FileMark]] = {}

    def marks(self, run_id: str) -> tuple[FileMark, ...]:
        """What of a run is here already."""
        return tuple(self._marks.get(run_id, {}).values())

    def take(self, run_id: str, read: FilesRead) -> None:
        """Writes what came. Raises OSError, and RecordError for what is no run id."""
        folder = self.home.run(run_id).path
        folder.mkdir(mode=0o700, exist_ok=True)
        for piece in read.pieces:
            if piece.mark.name in (*GROWING, *REPLACED):
                self._write(folder / piece.mark.name, piece)
                self._marks.setdefault(run_id, {})[piece.mark.name] = piece.mark
        for log in read.logs:
            _make_hollow(folder, log)

    def _write(self, path: Path, piece: FilePiece) -> None:
        if piece.mark.name in REPLACED:
            replace_file(path, piece.content)
            return
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(piece.offset)
            file.seek(piece.offset)
            file.write(piece.content)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _make_hollow(folder: Path, log: LogSeen) -> None:
    """A file of the log's name without content, so that it is listed; what is in it is read over the connection."""
    parts = PurePosixPath(log.name).parts
    if parts[:1] == ("attempts",) and ".." not in parts:
        path = folder.joinpath(*parts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/vlatui`, else `~/.cache/vlatui`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vlatui"


def forget_left_over(base: Path) -> None:
    """Removes what dashboards that were killed have left."""
    for folder in base.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
