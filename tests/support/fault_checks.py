"""What a fault must not cost: steps, bytes of the log, the true exit, a second restart, a process left behind."""

import json
import re
import signal
from contextlib import suppress
from pathlib import Path

from fault_matrix import GUARDS, Fault
from supervised_runs import Run
from vlad.host import processes
from vlad.records.outcome import Exit, ProcessIdentity
from vlad.records.progress import CheckpointSaved, Plan, Reason, Step
from vlad.records.run import AttemptStarted, Requested, State, Supervised

RANK_LINE = re.compile(rb"^rank (\d+) step \d+\n", re.MULTILINE)


def losses(fault: Fault, run: Run, work: Path, witness: Path) -> list[str]:
    """Everything that is not as it should be, in words; empty where nothing is lost."""
    return [
        *_wrong_end(fault, run),
        *_wrong_attempts(fault, run),
        *_wrong_guards(fault, run),
        *_wrong_exits(fault, run, witness),
        *_lost_steps(run, work),
        *_lost_output(run, witness),
        *_lost_requests(fault, run),
        *_left_behind(run, witness),
    ]


def _wrong_end(fault: Fault, run: Run) -> list[str]:
    record = run.record
    wanted = (State.STOPPED, None) if fault.story == "stops" else (State.SUCCEEDED, Reason.MAX_STEPS)
    found = [] if (record.state, record.reason) == wanted else [f"ended {record.state} {record.reason}: {record.why}"]
    if run.directory.repaired_record() != record:
        found.append("state.json is not what the journal tells")
    if [event.seq for event in run.events] != list(range(1, record.seq + 1)):
        found.append("the journal has gaps")
    return found


def _wrong_attempts(fault: Fault, run: Run) -> list[str]:
    attempts = [event.number for event in run.events if isinstance(event, AttemptStarted)]
    wanted = list(range(1, fault.restarts + 2))
    return [] if attempts == wanted else [f"attempts {attempts}, not {wanted}"]


def _wrong_guards(fault: Fault, run: Run) -> list[str]:
    """A guard is replaced once at most, and never without need; one killed before its first word has said nothing."""
    announced = sum(isinstance(event, Supervised) for event in run.events)
    most = 2 if fault.victim in GUARDS else 1
    return [] if 1 <= announced <= most else [f"{announced} guards, {most} at most"]


def _wrong_exits(fault: Fault, run: Run, witness: Path) -> list[str]:
    """Each attempt's agent has written down its code, unless a signal ended it."""
    found = []
    for attempt in run.record.attempts:
        told = witness / f"exit-{attempt.number}"
        truth = (int(told.read_text()), None) if told.exists() else (None, signal.SIGKILL)
        file = run.directory.attempt(attempt.number).read_exit()
        for name, exit in (("state.json", attempt.exit), ("exit.json", file)):
            if _how(exit) != truth:
                found.append(f"attempt {attempt.number} ended {truth}, {name} says {_how(exit)}")
    return found


def _how(exit: Exit | None) -> tuple[int | None, int | None]:
    return (exit.code, exit.signal) if exit is not None else (None, None)


def _lost_steps(run: Run, work: Path) -> list[str]:
    """Each attempt goes on from the newest checkpoint that was on the disk before it, and counts without a gap."""
    lines, found, newest = run.directory.read_progress()[0], [], 0
    for attempt in run.record.attempts:
        steps = [line.step for line in lines if isinstance(line, Step) and line.attempt == attempt.number]
        start = attempt.start_step or 0
        plans = [line.start_step for line in lines if isinstance(line, Plan) and line.attempt == attempt.number]
        if start < newest or plans not in ([], [start]):
            found.append(f"attempt {attempt.number} goes on from {start} {plans}, {newest} was saved")
        if steps != list(range(start + 1, start + 1 + len(steps))):
            found.append(f"attempt {attempt.number} has steps {steps}")
        saved = [line.step for line in lines if isinstance(line, CheckpointSaved) and line.attempt == attempt.number]
        newest = max([newest, *saved, *_on_disk(work, attempt.number)])
    return found


def _on_disk(work: Path, attempt: int) -> list[int]:
    """Steps of the whole checkpoints that an attempt has made."""
    found = [json.loads(path.read_text()) for path in work.glob("checkpoint-*[0-9]/step.json")]
    return [one["step"] for one in found if one["attempt"] == attempt]


def _lost_output(run: Run, witness: Path) -> list[str]:
    """console.log has every byte that a rank has written; a rank killed after writing could not note its last line."""
    found = []
    for path in witness.glob("printed-*"):
        attempt, rank = path.name.split("-")[1:]
        console = run.directory.attempt(int(attempt)).console.read_bytes()
        logged = b"".join(match[0] for match in RANK_LINE.finditer(console) if match[1] == rank.encode())
        noted = path.read_bytes()
        if not logged.startswith(noted) or logged[len(noted) :].count(b"\n") > 1:
            found.append(f"attempt {attempt}, rank {rank}: {len(logged)} bytes in the log, {len(noted)} written")
    return found


def _lost_requests(fault: Fault, run: Run) -> list[str]:
    """What was asked is on record once; a dashboard killed before its request is whole has asked nothing."""
    asked = [event.request_id for event in run.events if isinstance(event, Requested)]
    wanted = int(fault.story in ("saves", "stops"))
    if fault.holder == "vlatui" and fault.point != "request.after":
        wanted = 0
    return [] if len(asked) == len(set(asked)) == wanted else [f"{len(asked)} requests on record, not {wanted}"]


def _left_behind(run: Run, witness: Path) -> list[str]:
    """By the processes' own list, and by everything that carries the run's name."""
    living = [one.pid for one in signed(witness) if processes.is_alive(one)]
    named = [*run.workers(), *run.guards()]
    return [f"left behind: {sorted({*living, *named})}"] if living or named else []


def signed(witness: Path, role: str | None = None) -> list[ProcessIdentity]:
    """The processes that have put themselves on the list."""
    path, found = witness / "processes", []
    for line in path.read_text().splitlines() if path.exists() else ():
        words = line.split()
        if role in (None, words[0]):
            identity = ProcessIdentity(pid=int(words[2]), start_ticks=int(words[3]), boot_id=processes.boot_id())
            found.append(identity)
    return found


def end_signed(witness: Path) -> None:
    """After the checks: nothing outlives the benchmark, whatever was found."""
    for one in signed(witness):
        with suppress(OSError):
            processes.signal_process(one, signal.SIGKILL)
