"""The processes of one run as a tree: who each is, how busy, on which terminal. Touches the host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from vlad.host.processes import (
    OUR_TAGS,
    RUN_TAG,
    ProcessStat,
    all_processes,
    descendants,
    environment_of,
    started_at,
    stat_of,
    terminal_name,
)
from vlad.records.run import RunRecord

if TYPE_CHECKING:
    import psutil


class Role(StrEnum):
    """What a process is to its run."""

    KEEPER = "keeper"
    SUPERVISOR = "supervisor"
    AGENT = "agent"
    RANK = "rank"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class RunProcess:
    """One process; `depth` is its place in the tree, `cpu` percent of one core since the last look."""

    pid: int
    role: Role
    name: str
    depth: int
    state: str
    started_at: float
    rank: int | None = None
    cpu: float | None = None
    memory_bytes: int | None = None
    threads: int | None = None
    tty: str | None = None
    command: str = ""


@dataclass(slots=True)
class ProcessReader:
    """Looks at processes again and again; remembers them so that their CPU use since the last look is known."""

    _known: "dict[tuple[int, int], psutil.Process]" = field(default_factory=dict)

    def read(self, record: RunRecord) -> tuple[RunProcess, ...]:
        """The processes of a run, parents before children; empty where none is left on this host.

        Guards and orphans of a run that this one has started are children of its guards, but none of its processes.
        """
        processes = all_processes()
        roles = _roles(record)
        tag = record.run_id.encode()
        environments = {pid: environment_of(pid) for pid in processes}
        tagged = {pid for pid in processes if environments[pid].get(RUN_TAG) == tag}
        others = {pid for pid in processes if _is_of_another(environments[pid], tag)}
        own = {pid: stat for pid, stat in processes.items() if pid not in others}
        mine = descendants({*roles, *tagged}, own)
        ordered = _as_tree({pid: processes[pid] for pid in mine})
        found = tuple(self._process(processes[pid], depth, roles.get(pid, Role.OTHER)) for pid, depth in ordered)
        keys = {(process.pid, processes[process.pid].start_ticks) for process in found}
        self._known = {key: process for key, process in self._known.items() if key in keys}
        return found

    def _process(self, stat: ProcessStat, depth: int, role: Role) -> RunProcess:
        import psutil  # 8 ms that nobody waits for before processes are looked at

        environment = environment_of(stat.pid)
        rank = environment.get(b"RANK", b"")
        leads = stat.session == stat.pid  # torchrun gives each rank a session; what a rank starts stays in it
        is_rank = role is Role.OTHER and leads and rank.isdigit()
        known = self._known.get((stat.pid, stat.start_ticks))
        cpu = memory = threads = None
        command = stat.name
        try:
            known = known or psutil.Process(stat.pid)
            with known.oneshot():
                cpu, memory = known.cpu_percent(), known.memory_info().rss
                threads, command = known.num_threads(), " ".join(known.cmdline()) or stat.name
            self._known[stat.pid, stat.start_ticks] = known
        except psutil.Error:
            pass
        return RunProcess(
            pid=stat.pid, role=Role.RANK if is_rank else role, name=stat.name, depth=depth, state=stat.state,
            started_at=started_at(stat), rank=int(rank) if is_rank else None, cpu=cpu, memory_bytes=memory,
            threads=threads, tty=terminal_name(stat.tty), command=command,
        )  # fmt: skip


def _is_of_another(environment: Mapping[bytes, bytes], run_id: bytes) -> bool:
    return any(environment.get(tag, run_id) != run_id for tag in OUR_TAGS)


def _roles(record: RunRecord) -> dict[int, Role]:
    agent = record.attempt.agent if record.attempt else None
    named = ((record.keeper, Role.KEEPER), (record.supervisor, Role.SUPERVISOR), (agent, Role.AGENT))
    return {who.pid: role for who, role in named if who is not None and stat_of(who) is not None}


def _as_tree(processes: dict[int, ProcessStat]) -> list[tuple[int, int]]:
    """(pid, depth), each parent right before its children, oldest first."""
    children: dict[int, list[int]] = {}
    roots: list[int] = []
    for pid, stat in sorted(processes.items(), key=lambda item: (item[1].start_ticks, item[0])):
        (children.setdefault(stat.parent, []) if stat.parent in processes else roots).append(pid)
    ordered: list[tuple[int, int]] = []
    waiting = [(pid, 0) for pid in reversed(roots)]
    while waiting:
        pid, depth = waiting.pop()
        ordered.append((pid, depth))
        waiting += ((child, depth + 1) for child in reversed(children.get(pid, [])))
    return ordered
