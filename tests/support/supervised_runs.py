"""Runs for tests: real keepers, supervisors and jobs in a home of their own, all of them ended after the test."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from patience import PATIENCE_S, until
from vlad.host import processes
from vlad.records.files import read_lines
from vlad.records.history import new_run_id
from vlad.records.outcome import AgentClaim, ProcessIdentity
from vlad.records.progress import Step
from vlad.records.requests import Action, send_request
from vlad.records.run import AnyEvent, RunRecord, State, decode_event
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import HangPolicy, Kind, RestartPolicy, RunSpec, StopLadder
from vlad.supervise import detach, locks
from vlad.supervise.create import create_run

SUPPORT = Path(__file__).parent


class Run:
    """A run of a test."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        """Read when a wait was in vain: where the run stands."""
        log = self.directory.supervisor_log
        return f"{self.record} {log.read_text()[-2000:] if log.exists() else ''}"

    @property
    def record(self) -> RunRecord:
        return self.directory.read_record()

    @property
    def events(self) -> list[AnyEvent]:
        decoded = (decode_event(line) for line in read_lines(self.directory.events)[0])
        return [event for event in decoded if event is not None]

    @property
    def states(self) -> list[State]:
        return [event.state for event in self.events if hasattr(event, "state")]

    def messages(self) -> list[str]:
        return [event.message for event in self.events if hasattr(event, "message")]

    def console(self, attempt: int = 1) -> str:
        return self.directory.attempt(attempt).console.read_text()

    def until_state(self, *states: State) -> RunRecord:
        until(lambda: self.record.state in states, (states, self))
        return self.record

    def until_ended(self, patience_s: float = PATIENCE_S) -> RunRecord:
        """Ended, no longer listed as live, and looked after by nobody."""
        until(lambda: self.record.state.is_final, self, patience_s)
        until(lambda: not locks.is_locked(self.directory.keeper_lock), "end of keeper and supervisor")
        until(lambda: self.directory.run_id not in self.directory.home.live_ids(), "no longer listed as live")
        return self.record

    def until_step(self, step: int) -> None:
        until(lambda: (self.newest_step() or 0) >= step, (step, self))

    def until_all_count(self, ranks: int = 2) -> None:
        """Every rank has made a step, and so knows what to do about signals."""
        self.until_step(1)
        until(lambda: all(f"rank {rank} step" in self.console() for rank in range(ranks)), self)

    def newest_step(self) -> int | None:
        steps = [line.step for line in self.directory.read_progress()[0] if isinstance(line, Step)]
        return steps[-1] if steps else None

    def ask(self, action: Action) -> None:
        send_request(self.directory.requests, action, "a test")

    def guards(self) -> list[int]:
        """Keeper and supervisor, as the kernel knows them: not from any record."""
        return tagged(b"VLAD_SUPERVISES", self.directory.run_id)

    def is_unguarded(self) -> bool:
        """No guard lives, and none that dies has its locks still: a process loses its name before its files."""
        held = (self.directory.keeper_lock, self.directory.supervisor_lock)
        return not self.guards() and not any(locks.is_locked(one) for one in held)

    def workers(self) -> list[int]:
        return tagged(b"VLAD_RUN_ID", self.directory.run_id)

    def agent(self) -> ProcessIdentity:
        return until(self._claim, "agent").identity

    def _claim(self) -> AgentClaim | None:
        attempt = self.directory.newest_attempt()
        return attempt.read_agent() if attempt else None

    def is_guarded_by(self, record: RunRecord) -> bool:
        guards = (record.keeper, record.supervisor)
        return all(one is not None and processes.is_alive(one) for one in guards)

    def guard(self) -> tuple[ProcessIdentity, ProcessIdentity]:
        """Keeper and supervisor, once both live and have said so."""
        until(lambda: self.is_guarded_by(self.record), "keeper and supervisor")
        record = self.record
        assert record.keeper is not None
        assert record.supervisor is not None
        return record.keeper, record.supervisor


def tagged(name: bytes, run_id: str) -> list[int]:
    """Living processes with this variable in their environment."""
    found = []
    for pid, process in processes.all_processes().items():
        if not process.is_zombie and processes.environment_of(pid).get(name) == run_id.encode():
            found.append(pid)
    return found


def kill(identity: ProcessIdentity) -> None:
    """Returns when it is dead."""
    assert processes.signal_process(identity, signal.SIGKILL), f"{identity} is gone already"
    until(lambda: not processes.is_alive(identity), "death")


def kill_at_once(guards: Iterable[ProcessIdentity]) -> None:
    """The supervisor sees nothing of its keeper's death."""
    guards = list(guards)
    for guard in guards:
        processes.signal_process(guard, signal.SIGSTOP)
    for guard in guards:
        kill(guard)


def kill_both(run: Run) -> None:
    """Both guards at once; returns when nobody looks after the run."""
    kill_at_once(run.guard())
    until(run.is_unguarded, "nobody looks after the run")


class Lab:
    """Starts runs in a home of the test, and leaves no process behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = Home(path / "home").prepare()
        self.runs: list[Run] = []

    def spec(self, *argv: str, kind: Kind = Kind.COMMAND, restart: RestartPolicy | None = None,
             stop: StopLadder | None = None, environment: dict[str, str] | None = None,
             hang: HangPolicy | None = None) -> RunSpec:  # fmt: skip
        now = time.time()
        return RunSpec(
            run_id=new_run_id("test", now), name="test", kind=kind, argv=argv, cwd=str(self.path), created_at=now,
            environment=environment or {}, restart=restart or RestartPolicy(budget=0), created_by="a test",
            hang=hang or HangPolicy(),
            stop=stop or StopLadder(request_grace_s=60, term_grace_s=20, kill_grace_s=20), host=socket.gethostname(),
        )  # fmt: skip

    def create(self, spec: RunSpec) -> Run:
        run = Run(create_run(self.home, spec))
        self.runs.append(run)
        return run

    def start(self, *argv: str, kind: Kind = Kind.COMMAND, restart: RestartPolicy | None = None,
              stop: StopLadder | None = None, environment: dict[str, str] | None = None,
              hang: HangPolicy | None = None) -> Run:  # fmt: skip
        run = self.create(self.spec(*argv, kind=kind, restart=restart, stop=stop, environment=environment, hang=hang))
        detach.start(run.directory)
        return run

    def counting(self, *options: str, ranks: int = 2) -> tuple[str, ...]:
        """A job of the shape of torchrun's whose ranks count steps."""
        ranks_argv = (str(ranks), str(SUPPORT / "counting_rank.py"), "--work", str(self.path), *options)
        return (sys.executable, str(SUPPORT / "standin_torchrun.py"), *ranks_argv)

    def close(self) -> None:
        for run in self.runs:
            for found in (run.guards, run.workers):
                until(partial(_all_killed, found), "end of the test's processes")


def _all_killed(found: Callable[[], list[int]]) -> bool:
    return not _killed(found())


def _killed(pids: list[int]) -> list[int]:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return pids
