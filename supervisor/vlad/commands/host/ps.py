"""vlad ps: the processes of the live runs, and the trainings of this host that vlad did not start."""

import sys
from argparse import ArgumentParser, Namespace

import msgspec

from vlad.commands.command import Command, add_json, found_run, our_home, print_json, say
from vlad.commands.text import Column, Ink, safe, table, terminal_columns
from vlad.records import figures
from vlad.records.outcome import ProcessIdentity
from vlad.records.rundir import RunDirectory


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a run. `role` is keeper, supervisor, agent, rank N or helper."""

    run_id: str
    pid: int
    role: str
    tty: str | None
    cpu_s: float
    memory_bytes: int
    age_s: float
    command: str


COLUMNS = (
    Column(title="RUN"),
    Column(title="PID", right=True),
    Column(title="ROLE"),
    Column(title="TTY", expendable=2),
    Column(title="CPU", right=True),
    Column(title="MEMORY", right=True),
    Column(title="AGE", right=True, expendable=1),
    Column(title="COMMAND", expendable=3),
)
COMMAND_CHARACTERS = 60


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", nargs="?", help="only this run (default: every live one)")
    parser.add_argument("--foreign", action="store_true", help="only trainings that vlad did not start")
    add_json(parser)


def _run(arguments: Namespace) -> int:
    if arguments.foreign:
        return _show_foreign(as_json=arguments.json)
    home = our_home()
    runs = [found_run(arguments.run)] if arguments.run else [home.run(run_id) for run_id in home.live_ids()]
    found = [process for run in runs for process in processes_of(run)]
    if arguments.json:
        print_json(msgspec.to_builtins(found))
        return 0
    if found:
        print(table(COLUMNS, [_row(one) for one in found], Ink.for_stream(sys.stdout), terminal_columns(sys.stdout)))
    else:
        say("no run has a process now")
    return 0 if arguments.run else _show_foreign(as_json=False)


def _show_foreign(*, as_json: bool) -> int:
    from vlad.commands.host import foreign

    jobs = foreign.found_jobs(our_home())
    if as_json:
        print_json(msgspec.to_builtins(jobs))
    elif jobs:
        say(f"not started by vlad ({figures.plural(len(jobs), 'training')}); `vlad adopt PID` makes one a run")
        lines = [foreign.row(job, COMMAND_CHARACTERS) for job in jobs]
        print(table(foreign.COLUMNS, lines, Ink.for_stream(sys.stdout), terminal_columns(sys.stdout)))
    return 0


def processes_of(run: RunDirectory) -> list[Process]:
    """Every process that is provably of the run: its guard, torchrun or the command, ranks, and what they started."""
    from vlad.host.processes import is_alive
    from vlad.supervise.worker_group import members

    if not run.lock.exists():
        return []
    record = run.read_record()
    agent = record.attempt.agent if record.attempt else None
    roles: dict[ProcessIdentity, str] = {}
    for identity, role in ((record.keeper, "keeper"), (record.supervisor, "supervisor")):
        if identity is not None and is_alive(identity):
            roles[identity] = role
    for identity in members(run):
        roles[identity] = "agent" if identity == agent else _role(identity)
    found = (_described(run, identity, role) for identity, role in roles.items())
    return sorted((one for one in found if one is not None), key=lambda one: (_order(one.role), one.pid))


def _role(identity: ProcessIdentity) -> str:
    """torchrun gives every rank its number; what a rank starts inherits it, but not the rank's session."""
    from vlad.host.processes import environment_of, stat_of

    environment, stat = environment_of(identity.pid), stat_of(identity)
    is_rank = b"RANK" in environment and b"LOCAL_RANK" in environment
    if is_rank and stat is not None and stat.session == stat.pid:
        return f"rank {environment[b'RANK'].decode(errors='replace')}"
    return "helper"


def _order(role: str) -> int:
    return ["keeper", "supervisor", "agent", "rank", "helper"].index(role.split(" ")[0])


def _described(run: RunDirectory, identity: ProcessIdentity, role: str) -> Process | None:
    """None where the process has ended meanwhile."""
    import time

    import psutil

    from vlad.host.processes import started_at, stat_of, terminal_name

    try:
        process = psutil.Process(identity.pid)
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
            command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return None
    stat = stat_of(identity)
    if stat is None:
        return None
    return Process(
        run_id=run.run_id, pid=identity.pid, role=role, tty=terminal_name(stat.tty), cpu_s=times.user + times.system,
        memory_bytes=memory.rss, age_s=time.time() - started_at(stat), command=command,
    )  # fmt: skip


def _row(process: Process) -> list[str]:
    command = safe(process.command.replace("\n", " "))
    return [
        process.run_id,
        str(process.pid),
        process.role,
        figures.terminal(process.tty),
        figures.duration(process.cpu_s),
        figures.size(process.memory_bytes),
        figures.age(process.age_s),
        command if len(command) <= COMMAND_CHARACTERS else f"{command[: COMMAND_CHARACTERS - 1]}…",
    ]


PS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad ps                    every process of every live run, and trainings that vlad did not start
    vlad ps spatial --json
    vlad ps --foreign --json   only the latter
    """,
)
