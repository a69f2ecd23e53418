"""A place where runs are, as the rest of the dashboard sees it: this host, or another one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from vlad.host.neighbours import HostView
from vlad.host.run_processes import RunProcess
from vlad.records.home_view import NO_PARTS, HomeView, PartsWanted
from vlad.records.requests import Action
from vlad.records.run import RunRecord
from vlad.records.rundir import Home

from vlatui.log.place import LogPlace
from vlatui.sites.vlad import Answer

Changed = Callable[[frozenset[str]], None]


class Site(LogPlace, Protocol):
    """Every method may block, may be called by any thread, and may raise OSError or RecordError."""

    @property
    def label(self) -> str:
        """What the host is called; empty for this one."""

    @property
    def home(self) -> Home:
        """The records of its runs as files of this host; see `bring`."""

    def watch(self, changed: Changed) -> None:
        """Calls `changed` with paths that changed (none: perhaps anything) until `stop` is called; blocks."""

    def stop(self) -> None:
        """Ends `watch` soon. Called once, at the end."""

    def read_runs(self, changed: frozenset[str] | None, parts: PartsWanted = NO_PARTS) -> HomeView:
        """All runs, of ended parts those wanted; with `changed` only runs with these ids need to be looked at."""

    def bring(self, run_id: str) -> None:
        """Has the run's records in `home` as they are now."""

    def read_processes(self, record: RunRecord) -> tuple[RunProcess, ...]: ...

    def read_host(self) -> HostView: ...

    def look_soon(self) -> None:
        """Something was done that changes the host: it is looked over at the next reading."""

    def ask(self, run_id: str, action: Action) -> str:
        """Asks the run for something; returns what to tell the user."""

    def vlad(self, arguments: Sequence[str]) -> Answer:
        """Runs a verb of vlad there and waits for it."""

    def attaching(self, run_id: str) -> tuple[list[str], dict[str, str] | None]:
        """The command, and its environment, that gives this terminal to a run there."""

    def foreign_log(self, name: str) -> Path:
        """The path by which the log of a training that vlad did not start is opened here."""
