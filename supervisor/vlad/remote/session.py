"""What `vlad serve` answers: one session with one dashboard. Reads records, and acts only by vlad's own verbs."""

import getpass
import socket
import threading
import time
from pathlib import Path
from typing import assert_never

from vlad.host import processes
from vlad.host.neighbours import NeighbourReader
from vlad.host.run_processes import ProcessReader
from vlad.logs.content import LocalLog
from vlad.logs.search import search
from vlad.records.files import RecordError
from vlad.records.home_view import HomeReader, RunView
from vlad.records.rundir import Home
from vlad.remote.protocol import (
    MOST_READ_BYTES,
    PROTOCOL,
    START_BYTES,
    Act,
    Ask,
    CountLines,
    Found,
    Hello,
    HostSeen,
    LinesCounted,
    LogLooked,
    LogName,
    LogRead,
    LookAtHost,
    LookAtLog,
    LookAtProcesses,
    LookAtRuns,
    ProcessesSeen,
    ReadFiles,
    ReadLog,
    Refused,
    Reply,
    RunsSeen,
    SearchLog,
)
from vlad.remote.run_files import read_files
from vlad.remote.verbs import Verbs

COUNTED_AT_ONCE_BYTES = 64 * 1024 * 1024
KEPT_LOGS = 4


def hello(home: Home, version: str) -> Hello:
    return Hello(
        protocol=PROTOCOL, version=version, host=socket.gethostname(), user=getpass.getuser(), home=str(home.path)
    )


class Session:
    """Answers one question after the other; what takes long (`is_long`) may be answered by other threads."""

    def __init__(self, home: Home, verbs: Verbs) -> None:
        self._home = home
        self._verbs = verbs
        self._reader = HomeReader(home, is_alive=processes.is_alive)
        self._told: dict[str, RunView] = {}
        self._neighbours = NeighbourReader(home)
        self._processes = ProcessReader()
        self._logs: dict[Path, LocalLog] = {}
        self._foreign_logs: set[str] = set()
        self._searches = 0
        self._lock = threading.Lock()

    @staticmethod
    def is_long(ask: Ask) -> bool:
        """Whether others should not wait for it. A look at the host may hang in a broken driver."""
        return isinstance(ask, SearchLog | Act)

    def reply(self, ask: Ask) -> Reply:
        """Never raises for what was asked: a refusal is an answer."""
        try:
            return self._answer(ask)
        except (OSError, RecordError, ValueError) as error:
            return Refused(words=str(error))

    def _answer(self, ask: Ask) -> Reply:
        match ask:
            case LookAtRuns():
                return self._runs(ask)
            case LookAtHost():
                return self._host()
            case LookAtProcesses():
                record = self._home.run(ask.run_id).read_record()
                return ProcessesSeen(processes=self._processes.read(record))
            case ReadFiles():
                return read_files(self._home.run(ask.run_id), ask.marks)
            case LookAtLog():
                return self._look_at_log(self._log(ask.log))
            case ReadLog():
                return LogRead(content=self._log(ask.log).pread(min(ask.count, MOST_READ_BYTES), ask.offset))
            case CountLines():
                return self._count(ask)
            case SearchLog():
                return self._search(ask)
            case Act():
                return self._verbs.run(ask.arguments)
            case _:
                assert_never(ask)

    def _runs(self, ask: LookAtRuns) -> RunsSeen:
        if ask.is_first:
            self._told = {}
        view = self._reader.read(wanted=ask.parts)
        changed = tuple(run for run in view.runs if self._told.get(run.run_id) != run)
        self._told = {run.run_id: run for run in view.runs}
        return RunsSeen(
            order=tuple(self._told), changed=changed, unreadable=view.unreadable, has_older=view.has_older
        )  # fmt: skip

    def _host(self) -> HostSeen:
        view = self._neighbours.read(time.monotonic())
        self._foreign_logs |= {job.log for job in view.foreign if job.log}
        return HostSeen(view=view)

    def _path(self, log: LogName) -> Path:
        """Raises RecordError for what is no log of a run and of no listed training."""
        if not log.run_id:
            if log.name in self._foreign_logs:
                return Path(log.name)
            raise RecordError(f"{log.name!r} is the log of no training that is listed here")
        parts = Path(log.name).parts
        if parts[:1] != ("attempts",) or ".." in parts:
            raise RecordError(f"{log.name!r} is no log of a run")
        return self._home.run(log.run_id).path / log.name

    def _log(self, log: LogName) -> LocalLog:
        """The last few that were asked for stay open."""
        path = self._path(log)
        if path not in self._logs:
            while len(self._logs) >= KEPT_LOGS:
                self._logs.pop(next(iter(self._logs))).close()
            self._logs[path] = LocalLog(path)
            self._logs[path].look()
        return self._logs[path]

    def _look_at_log(self, log: LocalLog) -> LogLooked:
        look = log.look()
        inode = look.identity[1] if look.identity else None
        return LogLooked(inode=inode, size_bytes=look.size_bytes, start=log.pread(START_BYTES, 0))

    def _count(self, ask: CountLines) -> LinesCounted:
        counted = self._log(ask.log).count_lines(ask.offset, min(ask.end, ask.offset + COUNTED_AT_ONCE_BYTES))
        return LinesCounted(newlines=counted.newlines, read_bytes=counted.read_bytes, ends_open=counted.ends_open)

    def _search(self, ask: SearchLog) -> Found:
        with self._lock:
            self._searches += 1
            mine = self._searches
        matches = search(self._path(ask.log), ask.pattern, lambda: self._searches != mine)
        return Found(lines=matches.lines.tobytes(), is_complete=matches.is_complete)

    def close(self) -> None:
        self._searches += 1
        for log in self._logs.values():
            log.close()
