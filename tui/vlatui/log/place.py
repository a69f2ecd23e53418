"""Where the logs are that can be opened: on this host, unless somebody knows better. Touches the disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from vlad.logs.content import LocalLog, LogContent
from vlad.logs.search import Matches, search


class LogPlace(Protocol):
    """Gives what a path names, wherever that is. Every method may be called by any thread and may raise OSError."""

    def content(self, path: Path) -> LogContent:
        """The bytes of a log."""

    def search(self, path: Path, pattern: str, is_cancelled: Callable[[], bool]) -> Matches:
        """Its lines that match. Raises re.error."""

    def near(self, path: Path) -> Path:
        """A file of this host with the log's (last) content, for other programs."""

    def called(self, path: Path) -> str:
        """How to name it to a person."""


class LocalPlace:
    """The files of this host."""

    def content(self, path: Path) -> LogContent:
        return LocalLog(path)

    def search(self, path: Path, pattern: str, is_cancelled: Callable[[], bool]) -> Matches:
        return search(path, pattern, is_cancelled)

    def near(self, path: Path) -> Path:
        return path

    def called(self, path: Path) -> str:
        return str(path)
