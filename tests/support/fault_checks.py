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
from vlad.records.progress import CheckpointBegun, CheckpointSaved, Plan, Reason, Step
from vlad.records.run import AttemptStarted, Requested, State, Supervised

How = tuple[int | None, int | None]
RANK_LINE = re.compile(rb"^rank (\d+) step \d+\n", re.MULTILINE)


def losses(fault: Fault, run: Run, work: Path, witness: Path) -> list[str]:
    """Everything that is not as it should be, in words; empty where nothing is lost."""
    stops = fault.story == "stops"
    return [
        *(wrong_end(run, State.STOPPED, None) if stops else wrong_end(run, State.SUCCEEDED, Reason.MAX_STEPS)),
        *wrong_attempts(run, fault.restarts),
        *wrong_guards(run, 2 if fault.victim in GUARDS else 1),
        *wrong_exits(run, [_truth(witness, attempt.number) for attempt in run.record.attempts]),
        *lost_steps(run, work),
        *_lost_output(run, witness),
        *_lost_requests(fault, run),
        *left_behind(run, witness),
    ]


def wrong_end(run: Run, state: State, reason: Reason | None) -> list[str]:
    record = run.record
    found = (
        []
        if (record.state, record.reason) == (state, reason)
        else [f"ended {record.state} {record.reason}: {record.why}"]
    )
    if run.directory.repaired_record() != record:
        found.append("state.json is not what the journal tells")
    if [event.seq for event in run.events] != list(range(1, record.seq + 1)):
        found.append("the journal has gaps")
    return found


def wrong_attempts(run: Run, restarts: int) -> list[str]:
    attempts = [event.number for event in run.events if isinstance(event, AttemptStarted)]
    wanted = list(range(1, restarts + 2))
    return [] if attempts == wanted else [f"attempts {attempts}, not {wanted}"]


def wrong_guards(run: Run, most: int) -> list[str]:
    """A guard is replaced at most once for each kill; one killed before its first word has said nothing."""
    announced = sum(isinstance(event, Supervised) for event in run.events)
    return [] if 1 <= announced <= most else [f"{announced} guards, {most} at most"]


def wrong_exits(run: Run, truths: list[How]) -> list[str]:
    """What state.json and exit.json say of each attempt's agent, against what is known from elsewhere."""
    found = []
    for attempt, truth in zip(run.record.attempts, truths, strict=False):
        file = run.directory.attempt(attempt.number).read_exit()
        for name, exit in (("state.json", attempt.exit), ("exit.json", file)):
            if _how(exit) != truth:
                found.append(f"attempt {attempt.number} ended {truth}, {name} says {_how(exit)}")
    return found


def _truth(witness: Path, attempt: int) -> How:
    """The agent has written down its code, unless a signal ended it."""
    told = witness / f"exit-{attempt}"
    return (int(told.read_text()), None) if told.exists() else (None, signal.SIGKILL)


def _how(exit: Exit | None) -> How:
    return (exit.code, exit.signal) if exit is not None else (None, None)


def lost_steps(run: Run, work: Path | None = None) -> list[str]:
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
        on_disk = _begun(run, attempt.number) if work is None else _on_disk(work, attempt.number)
        newest = max([newest, *saved, *on_disk])
    return found


def _begun(run: Run, attempt: int) -> list[int]:
    """Steps of the checkpoints that an attempt has begun and that are on the disk."""
    lines = run.directory.read_progress()[0]
    begun = [line for line in lines if isinstance(line, CheckpointBegun) and line.attempt == attempt]
    return [line.step for line in begun if Path(line.path).is_dir()]


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


def left_behind(run: Run, witness: Path | None = None) -> list[str]:
    """By the processes' own list, and by everything that carries the run's name."""
    living = [one.pid for one in signed(witness) if processes.is_alive(one)] if witness else []
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


def in_tree(run: Run, role: str) -> list[ProcessIdentity]:
    """The agent, its ranks or their workers, by descent."""
    table = processes.all_processes()
    found = {run.agent().pid}
    for _ in range(("torchrun", "rank", "loader").index(role)):
        found = {process.pid for process in table.values() if process.parent in found and not process.is_zombie}
    return [one for pid in found if (one := processes.identity_of(pid)) is not None]


def end_signed(witness: Path) -> None:
    """After the checks: nothing outlives the benchmark, whatever was found."""
    for one in signed(witness):
        with suppress(OSError):
            processes.signal_process(one, signal.SIGKILL)
