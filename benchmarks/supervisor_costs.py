"""What supervision costs: memory and idle CPU of the guards, `vlad start` to the job's exec, `vlad ls` with history.

`python benchmarks/supervisor_costs.py`, or `make bench`. Everything is measured in one run, the commands in turns with
a bare start of the same Python; the ratios count, the times are this machine's. The results are kept in
benchmarks/results/.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from vlad.host import processes
from vlad.host.own_command import VLAD
from vlad.records.events import Moved, State
from vlad.records.files import append_line
from vlad.records.history import new_run_id
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import Kind, RunSpec
from vlad.supervise import detach
from vlad.supervise.create import create_run

RESULTS = Path(__file__).parent / "results" / "supervisor_costs.json"
TARGET_MIB = 8.0
STARTS_NOTHING = (sys.executable, "-c", "pass")
STARTS_MSGSPEC = (sys.executable, "-c", "import msgspec")


@dataclass(frozen=True, slots=True)
class Timing:
    """Median wall and CPU time of a command, in milliseconds."""

    wall_ms: float
    cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="live runs")
    parser.add_argument("--ended", type=int, default=10_000, help="runs of the past")
    parser.add_argument("--rounds", type=int, default=15, help="times that each command is measured")
    parser.add_argument("--idle-s", type=float, default=20.0, help="for how long idle CPU is counted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), options)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))


def measured(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    home = Home(folder / "home").prepare()
    environment = {**os.environ, "VLAD_HOME": str(home.path)}
    start_ms = launch_times(home, environment, options.rounds)
    lone_mib = alone(home)
    with live(home, options.runs) as runs:
        per_kind = {
            kind: statistics.mean(guard_mib(run) for run in runs if run.read_spec().kind is kind) for kind in Kind
        }
        idle = idle_cpu(runs, options.idle_s)
        listing = timed({"ls": (*VLAD, "ls"), **BARE}, environment, options.rounds)
        remember(home, options.ended)
        with_history = timed({"ls": (*VLAD, "ls"), **BARE}, environment, options.rounds)
    among = {f"{kind} among {options.runs}": mib for kind, mib in per_kind.items()}
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}",
        "runs": options.runs, "ended": options.ended, "rounds": options.rounds,
        "guard_mib": {"one run alone": lone_mib, **among},
        "idle_cpu_percent_of_a_core": idle,
        "start_to_exec_ms": start_ms,
        "ls_ms": {"no history": as_dict(listing), "history": as_dict(with_history)},
    }  # fmt: skip


BARE = {"python -c pass": STARTS_NOTHING, "python -c 'import msgspec'": STARTS_MSGSPEC}


def as_dict(timings: dict[str, Timing]) -> dict[str, dict[str, float]]:
    return {name: {"wall": one.wall_ms, "cpu": one.cpu_ms} for name, one in timings.items()}


def timed(commands: dict[str, Sequence[str]], environment: dict[str, str], rounds: int) -> dict[str, Timing]:
    """Each command once a round, so that what else the machine does meets all of them."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, argv in commands.items():
            taken[name].append(once(argv, environment))
    return {
        name: Timing(statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times))
        for name, times in taken.items()
    }


def once(argv: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU milliseconds of one start."""
    began = time.perf_counter()
    streams = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_WRONLY, 0) for handle in (1, 2)]
    child = os.posix_spawn(argv[0], list(argv), environment, file_actions=streams)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, f"{argv} failed"
    return 1000 * (time.perf_counter() - began), 1000 * (usage.ru_utime + usage.ru_stime)


def launch_times(home: Home, environment: dict[str, str], rounds: int) -> dict[str, float]:
    """From the start of `vlad start` to the first instruction of the job, and to the prompt; a bare start beside it."""
    to_exec, to_prompt, bare = [], [], []
    for _ in range(rounds):
        bare.append(once(STARTS_NOTHING, environment)[0])
        began = time.time()
        done = subprocess.run(
            [*VLAD, "start", "--json", "--", "date", "+%s.%N"], env=environment, capture_output=True, check=True
        )
        to_prompt.append(1000 * (time.time() - began))
        log = Path(json.loads(done.stdout)["log"])
        until(lambda log=log: log.exists() and log.read_text().endswith("\n"))  # type: ignore[misc]
        to_exec.append(1000 * (float(log.read_text()) - began))
        until(lambda: not home.live_ids())
    medians = (statistics.median(times) for times in (to_exec, to_prompt, bare))
    return dict(zip(("to exec of the job", "to the prompt", "python -c pass"), medians, strict=True))


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "a run of the benchmark does not come"
        time.sleep(0.005)


def spec_of(number: int, kind: Kind = Kind.COMMAND) -> RunSpec:
    at = time.time()
    return RunSpec(
        run_id=new_run_id(f"bench{number}", at), name=f"bench{number}", kind=kind, argv=("sleep", "3600"), cwd="/",
        created_at=at, created_by="benchmark", host=os.uname().nodename,
    )  # fmt: skip


@contextmanager
def live(home: Home, count: int) -> Iterator[list[RunDirectory]]:
    """Runs that run, half of them as our trainer is supervised, half as a program of others."""
    runs = [create_run(home, spec_of(number, list(Kind)[number % 2])) for number in range(count)]
    try:
        for run in runs:
            detach.start(run)
        until(lambda: all(run.read_record().state is State.RUNNING for run in runs))
        time.sleep(1.0)
        yield runs
    finally:
        for run in runs:
            end(run)


def end(run: RunDirectory) -> None:
    """Its guards first, by their identities, so that none restarts what is ended."""
    record = run.read_record()
    agent = record.attempt.agent if record.attempt else None
    for identity in (record.keeper, record.supervisor, agent):
        if identity is not None:
            processes.signal_process(identity, 19)
    for identity in (record.keeper, record.supervisor, agent):
        if identity is not None:
            processes.signal_process(identity, 9)
    run.home.mark_ended(run.run_id)


def alone(home: Home) -> float:
    with live(home, 1) as runs:
        return guard_mib(runs[0])


def guard_mib(run: RunDirectory) -> float:
    """Proportional set size of keeper and supervisor together, in MiB."""
    record = run.read_record()
    assert record.keeper is not None
    assert record.supervisor is not None
    return sum(pss_kib(one.pid) for one in (record.keeper, record.supervisor)) / 1024


def pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def idle_cpu(runs: Sequence[RunDirectory], seconds: float) -> float:
    """Of all guards together, in percent of one core."""
    records = [run.read_record() for run in runs]
    pids = [one.pid for record in records for one in (record.keeper, record.supervisor) if one is not None]
    before = sum(cpu_s(pid) for pid in pids)
    time.sleep(seconds)
    return 100 * (sum(cpu_s(pid) for pid in pids) - before) / seconds


def cpu_s(pid: int) -> float:
    """By the scheduler's own count in nanoseconds: clock ticks are too coarse for who wakes for a moment."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def remember(home: Home, count: int) -> None:
    """Runs of the past: the folders that real ones leave."""
    spec = spec_of(0)
    pattern = create_run(home, spec)
    record = pattern.read_record()
    for state in (State.STARTING, State.RUNNING, State.SUCCEEDED):
        event = Moved(seq=record.seq + 1, at=time.time(), state=state)
        record = msgspec.structs.replace(record, state=state, seq=event.seq, ended_at=time.time())
    home.mark_ended(spec.run_id)
    for number in range(count):
        run_id = f"20260101-{number // 60 % 24:02d}{number % 60:02d}-past{number}-{number % 65536:04x}"
        past = home.run(run_id)
        past.path.mkdir(mode=0o700)
        past.spec.write_bytes(msgspec.json.encode(msgspec.structs.replace(spec, run_id=run_id)))
        append_line(home.ended, f"{run_id} -")
        past.state.write_bytes(msgspec.json.encode(msgspec.structs.replace(record, run_id=run_id)))
    shutil.rmtree(pattern.path)


def table(found: dict[str, object]) -> str:
    """The results as a person reads them."""
    return "\n".join(["supervision: " + str(found["machine"]), *_rows(msgspec.convert(found, Found))])


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept."""

    runs: int
    ended: int
    guard_mib: dict[str, float]
    idle_cpu_percent_of_a_core: float
    start_to_exec_ms: dict[str, float]
    ls_ms: dict[str, dict[str, dict[str, float]]]


def _rows(found: Found) -> Iterator[str]:
    for what, mib in found.guard_mib.items():
        verdict = "within" if mib <= TARGET_MIB else "OVER"
        yield f"  keeper + supervisor, {what:<22} {mib:7.2f} MiB PSS   {verdict} the target of {TARGET_MIB:.0f} MiB"
    yield f"  idle CPU of the guards of {found.runs} runs         {found.idle_cpu_percent_of_a_core:7.2f} % of a core"
    bare = found.start_to_exec_ms["python -c pass"]
    for what, wall in found.start_to_exec_ms.items():
        name = what if wall == bare else f"vlad start {what}"
        yield f"  {name:<45} {wall:7.1f} ms   {wall / bare:5.1f} x"
    for history, timings in found.ls_ms.items():
        number = found.ended if history == "history" else 0
        bare = timings["python -c pass"]["wall"]
        for command, times in timings.items():
            name = f"vlad ls, {found.runs} live, {number:,} ended" if command == "ls" else command
            yield f"  {name:<45} {times['wall']:7.1f} ms   {times['wall'] / bare:5.1f} x   (CPU {times['cpu']:.1f} ms)"
    growth = found.ls_ms["history"]["ls"]["cpu"] / found.ls_ms["no history"]["ls"]["cpu"]
    yield f"  vlad ls with history against without: {growth:.2f} x the CPU time"


if __name__ == "__main__":
    main()
