"""The processes of an attempt: the agent (torchrun or the command) and everything that provably came from it."""

import os
import select
from enum import Enum

import msgspec

from vlad.host import processes
from vlad.host.processes import RUN_TAG, SUPERVISES_TAG, ProcessStat
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.outcome import Exit, ProcessIdentity
from vlad.records.rundir import RunDirectory
from vlad.supervise import exits


class Life(Enum):
    """Where the agent stands."""

    RUNS = "runs"
    UNREAPED = "unreaped"
    GONE = "gone"


class Tag(msgspec.Struct, frozen=True):
    """What proves that a process is of a run: the run's id in its environment, or the run's lock as its stdin."""

    run_id: bytes
    lock_device: int
    lock_inode: int

    @classmethod
    def of(cls, run: RunDirectory) -> "Tag":
        lock = run.lock.stat()
        return cls(run.run_id.encode(), lock.st_dev, lock.st_ino)

    def is_on(self, pid: int) -> bool:
        environment = processes.environment_of(pid)
        if SUPERVISES_TAG in environment:
            return False
        return environment.get(RUN_TAG) == self.run_id or processes.stdin_is(pid, self.lock_device, self.lock_inode)


class WorkerGroup:
    """Owns a pidfd of the agent, which means that very process even after its pid is used again."""

    def __init__(self, run: RunDirectory, attempt: AttemptDirectory, agent: ProcessIdentity) -> None:
        self.attempt = attempt
        self.agent = agent
        self.pidfd = processes.open_process(agent)
        self._run = run

    def close(self) -> None:
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None

    def life(self) -> Life:
        if self.pidfd is not None and not select.select([self.pidfd], [], [], 0)[0]:
            return Life.RUNS
        found = processes.stat_of(self.agent)
        if found is None:
            return Life.GONE
        return Life.UNREAPED if found.is_zombie else Life.RUNS

    def exit(self) -> Exit | None:
        """How the agent ended, None while it runs or while its parent is about to record it."""
        life = self.life()
        if life is Life.RUNS:
            return None
        exits.reap_children(self._run)
        recorded = self.attempt.read_exit()
        if recorded is not None:
            return recorded
        found = self._exit_of_zombie() if life is Life.UNREAPED else self._exit_of_reaped()
        return exits.write_exit_once(self.attempt, found) if found else None

    def _exit_of_zombie(self) -> Exit | None:
        """Keeper and supervisor record their children; other parents (a container's first process) may never reap."""
        stat = processes.stat_of(self.agent)
        if stat is None or _supervises(stat.parent):
            return None
        status = processes.zombie_status(self.agent)
        return exits.exit_from_status(status, "/proc of") if status is not None else None

    def _exit_of_reaped(self) -> Exit:
        """Reaped by neither keeper nor supervisor, because both had died. The kernel may still know how it ended."""
        found = exits.exit_from_pidfd(self.pidfd) if self.pidfd is not None else None
        return found or self.attempt.read_exit() or exits.unknown_exit()


def members(run: RunDirectory) -> list[ProcessIdentity]:
    """Every living process that is provably of the run, whatever session or group it has put itself into.

    Proven by the run's tag, by descent from such a process, by being orphaned to this supervisor or its keeper, or
    by being the very process that the run has adopted.
    """
    table = processes.all_processes()
    tag = Tag.of(run)
    roots = {pid for pid, process in table.items() if not process.is_zombie and tag.is_on(pid)}
    roots |= _orphans(run, table) | _adopted(run, table)
    found = (table[pid] for pid in processes.descendants(roots, table) if not _supervises(pid))
    boot = processes.boot_id()
    return [
        ProcessIdentity(pid=process.pid, start_ticks=process.start_ticks, boot_id=boot)
        for process in found
        if not process.is_zombie
    ]


def _orphans(run: RunDirectory, table: dict[int, ProcessStat]) -> set[int]:
    """Processes that the kernel gave to a subreaper of this run: only a descendant's orphan gets there.

    Of a run that was started from inside this one they are that run's, whether its own guards live or not.
    """
    own, keeper, run_id = os.getpid(), os.getppid(), run.run_id.encode()
    is_ours = processes.environment_of(keeper).get(SUPERVISES_TAG) == run_id
    guardians = {own, keeper} if is_ours else {own}
    return {pid for pid, process in table.items() if process.parent in guardians and not _is_of_another(pid, run_id)}


def _is_of_another(pid: int, run_id: bytes) -> bool:
    environment = processes.environment_of(pid)
    return SUPERVISES_TAG in environment or environment.get(RUN_TAG, run_id) != run_id


def _adopted(run: RunDirectory, table: dict[int, ProcessStat]) -> set[int]:
    adopted = run.read_spec().adopted
    if adopted is None or adopted.agent.boot_id != processes.boot_id():
        return set()
    found = table.get(adopted.agent.pid)
    return {found.pid} if found is not None and found.start_ticks == adopted.agent.start_ticks else set()


def _supervises(pid: int) -> bool:
    """Whether a process is a keeper or supervisor, of this run or of one started from inside it."""
    return SUPERVISES_TAG in processes.environment_of(pid)


def signal_all(found: list[ProcessIdentity], number: int) -> None:
    for process in found:
        processes.signal_process(process, number)
