"""The runs of another host, over `ssh HOST vlad serve --stdio`: connects, connects again, and says how old it is."""

import contextlib
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vlad.host.neighbours import NOBODY, HostView
from vlad.host.run_processes import RunProcess
from vlad.logs.content import LogContent
from vlad.logs.search import Matches, compiled
from vlad.records.history import RUN_ID
from vlad.records.home_view import NO_PARTS, HomeView, PartsWanted, RunView
from vlad.records.requests import Action
from vlad.records.run import RunRecord
from vlad.remote.protocol import (
    Act,
    Acted,
    Ask,
    FilesRead,
    Found,
    HostSeen,
    LogName,
    LookAtHost,
    LookAtProcesses,
    LookAtRuns,
    ProcessesSeen,
    ReadFiles,
    Reply,
    RunsSeen,
    SearchLog,
)

from vlatui.look.words import tr
from vlatui.sites.connection import REPLY_S, Connection, Declined, Unreachable
from vlatui.sites.mirror import Mirror
from vlatui.sites.remote_log import RemoteLog
from vlatui.sites.site import Changed
from vlatui.sites.ssh import Target, Way
from vlatui.sites.vlad import SAID, Answer, answer_of

LOOK_S = 0.5
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
VERB_S, SEARCH_S = 150.0, 600.0
CONNECTING = "connecting…"
MOST_COPIED_BYTES = 64 * 1024 * 1024
VERBS = {
    Action.STOP: ("stop", "--no-wait"),
    Action.STOP_NOW: ("stop", "--now", "--no-wait"),
    Action.SAVE: ("save",),
    Action.EVALUATE: ("evaluate",),
}


class RemoteSite:
    """One other host. While it is not reached, what was last seen is shown as stale."""

    def __init__(
        self, target: Target, way: Way, *, clock: Callable[[], float] = time.time, adopts: bool = True
    ) -> None:
        """`adopts`: vlad there looks after orphaned runs whenever it is connected."""
        self._adopts = adopts
        self.label = target.label
        self._target = target
        self._way = way
        self._clock = clock
        self._mirror = Mirror(self.label)
        self.home = self._mirror.home
        self._connection: Connection | None = None
        self._stopped = threading.Event()
        self._failure = ""
        self._lost_at: float | None = None
        self._is_first = True
        self._runs: dict[str, RunView] = {}
        self._unreadable: tuple[tuple[str, str], ...] = ()
        self._has_older = False

    # being connected

    def watch(self, changed: Changed) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopped.is_set():
            if self._connect():
                wait_s = FIRST_WAIT_S
                while self._is_connected and not self._stopped.is_set():
                    changed(frozenset())
                    self._stopped.wait(LOOK_S)
            changed(frozenset())
            self._stopped.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    @property
    def _is_connected(self) -> bool:
        return self._connection is not None and self._connection.is_open

    def _connect(self) -> bool:
        try:
            connection = Connection(self._target.login, self._way.argv(self._target))
        except OSError as error:
            self._lost(tr("{program} cannot be started: {error}", program=self._way.ssh[0], error=error.strerror))
            return False
        try:
            connection.hello()
        except Unreachable as error:
            connection.close()
            self._lost(str(error))
            return False
        self._is_first, self._failure, self._lost_at = True, "", None
        self._connection = connection
        if self._adopts and not self._way.readonly:
            self.vlad(("ls", "--json"))  # takes care of runs there that nobody looks after
        return True

    def _lost(self, words: str) -> None:
        self._failure = words
        self._lost_at = self._lost_at or self._clock()

    def stop(self) -> None:
        self._stopped.set()
        if self._connection is not None:
            self._connection.close()
        self._mirror.close()

    def _ask(self, ask: Ask, timeout_s: float = REPLY_S) -> Reply:
        connection = self._connection
        if connection is None:
            raise Unreachable(self._failure or tr(CONNECTING))
        try:
            return connection.ask(ask, timeout_s)
        except Unreachable as error:
            self._lost(str(error))
            self._connection = None
            connection.kill()
            raise

    # reading

    def read_runs(self, changed: frozenset[str] | None, parts: PartsWanted = NO_PARTS) -> HomeView:
        """Never raises: what is not reached is told as such."""
        try:
            self._look_at_runs(parts)
        except (Unreachable, Declined) as error:
            stale = tuple(replace(run, stale_since=self._lost_at) for run in self._runs.values())
            return HomeView(self.label, stale, ((self.label, str(error)),), self._has_older)
        return HomeView(self.label, tuple(self._runs.values()), self._unreadable, self._has_older)

    def _look_at_runs(self, parts: PartsWanted) -> None:
        reply = self._ask(LookAtRuns(is_first=self._is_first, parts=parts))
        assert isinstance(reply, RunsSeen)
        self._is_first = False
        known = self._runs | {run.run_id: replace(run, site=self.label) for run in reply.changed}
        self._runs = {run_id: known[run_id] for run_id in reply.order if run_id in known and RUN_ID.fullmatch(run_id)}
        self._unreadable, self._has_older = reply.unreadable, reply.has_older

    def bring(self, run_id: str) -> None:
        """What cannot be brought now stays as it is here."""
        with contextlib.suppress(Unreachable):
            has_more = True
            while has_more and not self._stopped.is_set():
                reply = self._ask(ReadFiles(run_id=run_id, marks=self._mirror.marks(run_id)))
                assert isinstance(reply, FilesRead)
                self._mirror.take(run_id, reply)
                has_more = reply.has_more

    def read_processes(self, record: RunRecord) -> tuple[RunProcess, ...]:
        reply = self._ask(LookAtProcesses(run_id=record.run_id))
        assert isinstance(reply, ProcessesSeen)
        return reply.processes

    def read_host(self) -> HostView:
        """Nobody while it is not reached."""
        try:
            reply = self._ask(LookAtHost())
        except (Unreachable, Declined):
            return NOBODY
        assert isinstance(reply, HostSeen)
        return reply.view

    def look_soon(self) -> None:
        """It is looked over often enough."""

    # acting

    def ask(self, run_id: str, action: Action) -> str:
        answer = self.vlad((*VERBS[action], run_id))
        if not answer.is_done:
            raise Declined(answer.words)
        return SAID[action]

    def vlad(self, arguments: Sequence[str]) -> Answer:
        """Not reaching the host is an answer too."""
        try:
            reply = self._ask(Act(arguments=tuple(arguments)), VERB_S)
        except (Unreachable, Declined) as error:
            return Answer(False, str(error))
        assert isinstance(reply, Acted)
        return answer_of(arguments[0], reply.code, reply.output, reply.errors)

    def attaching(self, run_id: str) -> tuple[list[str], dict[str, str] | None]:
        return self._way.attaching(self._target, run_id), None

    # logs

    def foreign_log(self, name: str) -> Path:
        return self.home.path / "outside" / name.lstrip("/")

    def _log(self, path: Path) -> LogName:
        outside = self.home.path / "outside"
        if path.is_relative_to(outside):
            return LogName(name=f"/{path.relative_to(outside)}")
        run_id, *names = path.relative_to(self.home.runs).parts
        return LogName(run_id=run_id, name=str(PurePosixPath(*names)))

    def content(self, path: Path) -> LogContent:
        return RemoteLog(self._log(path), self._ask)

    def search(self, path: Path, pattern: str, is_cancelled: Callable[[], bool]) -> Matches:
        """Searched there: only the numbers of lines travel."""
        compiled(pattern)
        reply = self._ask(SearchLog(log=self._log(path), pattern=pattern), SEARCH_S)
        assert isinstance(reply, Found)
        lines = array("Q")
        lines.frombytes(reply.lines)
        return Matches(pattern, lines, reply.is_complete and not is_cancelled())

    def near(self, path: Path) -> Path:
        """Its last 64 MiB, copied."""
        log = self.content(path)
        size = log.look().size_bytes
        copy = self.home.path / "copied" / path.name
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        with copy.open("wb") as file:
            for offset in range(max(0, size - MOST_COPIED_BYTES), size, 1024 * 1024):
                file.write(log.pread(min(1024 * 1024, size - offset), offset))
        return copy

    def called(self, path: Path) -> str:
        log = self._log(path)
        return f"{self._target.login}:{log.name}" if not log.run_id else f"{self.label}: {log.run_id}/{log.name}"
