"""The Processes and Events tabs: what their tables say. The rows are pure functions of values."""

import time
from collections.abc import Sequence

from vlad.host.run_processes import Role, RunProcess
from vlad.records import figures
from vlad.records.run import AnyEvent

from vlatui.look.columns import Column, Row
from vlatui.look.tones import Span, Tone, cell
from vlatui.look.words import tr
from vlatui.telling import describe

EVENT_COLUMNS = (
    Column("at", "TIME", 8, priority=1),
    Column("kind", "", 9),
    Column("words", "EVENT", 20, grows=True),
)
PROCESS_COLUMNS = (
    Column("who", "PROCESS", 14),
    Column("pid", "PID", 5, align="right"),
    Column("cpu", "CPU", 5, align="right"),
    Column("memory", "MEMORY", 6, align="right", priority=1),
    Column("threads", "THREADS", 3, align="right", priority=5),
    Column("state", "STATE", 5, priority=3),
    Column("tty", "TTY", 8, priority=2),
    Column("age", "AGE", 3, align="right", priority=4),
    Column("command", "COMMAND", 10, grows=True, priority=6),
)
NO_EVENTS = ("No events yet.",)
NO_PROCESSES = ("No process of this run is alive on this host.",)
STATE_WORDS = {"R": "runs", "S": "sleeps", "D": "waits for a disk", "T": "stopped", "t": "traced", "Z": "zombie"}


def event_rows(events: Sequence[AnyEvent]) -> list[Row]:
    """The journal, newest first."""
    rows = []
    for event in reversed(events):
        kind, words = describe.event_words(event)
        at = time.strftime("%H:%M:%S", time.localtime(event.at))
        rows.append(Row(str(event.seq), {"at": cell(at, Tone.MUTED), "kind": (kind,), "words": cell(words)}))
    return rows


def process_rows(processes: Sequence[RunProcess], now: float) -> list[Row]:
    branches = tree_branches([process.depth for process in processes])
    return [_process_row(process, branch, now) for process, branch in zip(processes, branches, strict=True)]


def tree_branches(depths: Sequence[int]) -> list[str]:
    """What is drawn before each node of a tree, which are told by their depths, parents before children."""
    branches: list[str] = []
    goes_on: set[int] = set()  # depths at which another child follows below
    for depth in reversed(depths):
        goes_on = {other for other in goes_on if other <= depth}
        above = "".join("│ " if other in goes_on else "  " for other in range(1, depth))
        branches.append(above + ("├ " if depth in goes_on else "└ ") if depth else "")
        goes_on.add(depth)
    return branches[::-1]


def _process_row(process: RunProcess, branch: str, now: float) -> Row:
    who = tr("rank {rank}", rank=process.rank) if process.role is Role.RANK else tr(process.role.value) or process.name
    tone = Tone.PLAIN if process.role is Role.OTHER else Tone.STRONG
    cells = {
        "who": (Span(branch, Tone.FAINT), Span(who, tone)),
        "pid": cell(str(process.pid)),
        "cpu": cell(figures.UNKNOWN if process.cpu is None else f"{process.cpu:.0f}%"),
        "memory": cell(figures.size(process.memory_bytes)),
        "threads": cell(figures.UNKNOWN if process.threads is None else str(process.threads), Tone.MUTED),
        "state": cell(
            tr(STATE_WORDS.get(process.state, process.state)), Tone.BAD if process.state == "Z" else Tone.MUTED
        ),
        "tty": cell(process.tty or tr("none"), Tone.MUTED if process.tty is None else Tone.WARN),
        "age": cell(figures.age(now - process.started_at), Tone.MUTED),
        "command": cell(process.command, Tone.MUTED),
    }
    return Row(str(process.pid), cells)
