"""The faults of the matrix: who is killed, when, and at which failpoint what is in the middle of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Victim = Literal["vlatui", "supervisor", "keeper", "terminal", "torchrun", "rank", "loader"]
Holder = Literal["guard", "job", "vlatui", "nobody"]
Job = Literal["stand-in", "terminal", "torchrun", "trainer"]
Story = Literal["counts", "saves", "fails", "stops"]
VICTIMS: tuple[Victim, ...] = ("vlatui", "supervisor", "keeper", "terminal", "torchrun", "rank", "loader")
GUARDS: tuple[Victim, ...] = ("supervisor", "keeper")
WORKERS: tuple[Victim, ...] = ("torchrun", "rank", "loader")
WRITES = {"before": "before a write", "during": "during a write", "after": "after a write"}
COLUMNS = ("at start-up", *WRITES.values(), "evaluating", "saving", "in backoff", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kill -9 of `victim`, while `holder` stands still at the failpoint `point` of a run whose story is `story`.

    A job's failpoint that is reached again and again is armed `late`: when the run has made a few steps.
    """

    victim: Victim
    when: str
    point: str
    holder: Holder
    story: Story = "counts"
    late: bool = False
    job: Job = "stand-in"

    @property
    def is_light(self) -> bool:
        """The processes of the job write down about themselves what is to be known."""
        return self.job in ("stand-in", "terminal")

    @property
    def name(self) -> str:
        return f"{self.victim} {self.when}: {self.point} ({self.story}, {self.job})"

    @property
    def restarts(self) -> int:
        """How many attempts follow the first one."""
        return int(self.story == "fails" or (self.victim in WORKERS and self.story != "stops"))


def _both(moment: str, *events: str) -> list[str]:
    return [f"{file}.{moment}.{event}" for event in events for file in ("journal", "state")]


def _writes(victim: Victim) -> Iterator[Fault]:
    """Every write of the guard and of the job. Only what is written while the job lives can meet a death in the job."""
    is_worker = victim in WORKERS
    while_it_lives = ("agent_started", "RUNNING")
    all_events = ("supervised", "STARTING", "attempt_started", *while_it_lives, "attempt_ended", "SUCCEEDED")
    for moment, column in WRITES.items():
        for point in _both(moment, *(while_it_lives if is_worker else all_events)):
            yield Fault(victim=victim, when=column, point=point, holder="guard")
        for point in _both(moment, "requested"):
            yield Fault(victim=victim, when=column, point=point, holder="guard", story="saves")
        yield Fault(victim=victim, when=column, point=f"report.{moment}", holder="job", late=True)
        if not is_worker:
            yield Fault(victim=victim, when=column, point=f"exit.{moment}", holder="guard")


def _start_up(victim: Victim) -> Iterator[Fault]:
    points: list[tuple[str, Holder]] = [("launch.claimed", "guard"), ("launch.done", "guard"), ("rank.start", "job")]
    if victim not in WORKERS:
        points += [(f"{name}", "guard") for name in ("supervisor.start", "launch.before_fork", "launch.after_fork")]
    if victim == "loader":
        points = [("launch.done", "guard"), ("loader.start", "job")]
    if victim == "rank":
        points = [("launch.done", "guard"), ("rank.start", "job"), ("loader.start", "job")]
    for point, holder in points:
        yield Fault(victim=victim, when="at start-up", point=point, holder=holder)


def _working(victim: Victim) -> Iterator[Fault]:
    for point in ("in_evaluation", "after_evaluation"):
        yield Fault(victim=victim, when="evaluating", point=point, holder="job", late=True)
    for point in ("writing_checkpoint", "before_checkpoint_rename", "after_checkpoint_rename"):
        yield Fault(victim=victim, when="saving", point=point, holder="job", late=True)


def _backoff(victim: Victim) -> Iterator[Fault]:
    """Nobody of the job lives then."""
    if victim in WORKERS:
        return
    points = [point for moment in WRITES for point in _both(moment, "BACKOFF")]
    for point in (*points, "moved.BACKOFF"):
        yield Fault(victim=victim, when="in backoff", point=point, holder="guard", story="fails")
    yield Fault(victim=victim, when="in backoff", point="waiting", holder="nobody", story="fails")


def _stopping(victim: Victim) -> Iterator[Fault]:
    events = ("requested", "STOPPING") if victim in WORKERS else ("requested", "STOPPING", "rung", "STOPPED")
    points = [point for moment in WRITES for point in _both(moment, *events)]
    for point in points if victim in WORKERS else (*points, "rung.request", "exit.before", "exit.after"):
        yield Fault(victim=victim, when="stopping", point=point, holder="guard", story="stops")
    for point in ("rank.stopping", "writing_checkpoint", "before_checkpoint_rename"):
        yield Fault(victim=victim, when="stopping", point=point, holder="job", story="stops")


def _own_writes_of_vlatui() -> Iterator[Fault]:
    for moment, column in WRITES.items():
        yield Fault(victim="vlatui", when=column, point=f"request.{moment}", holder="vlatui", story="saves")


def _in_a_terminal() -> Iterator[Fault]:
    """Of a run with a terminal of its own (`--tty`), whose log is written for it."""
    for victim in (*GUARDS, *WORKERS):
        for point, when, holder in (
            ("launch.done", "at start-up", "guard"),
            ("journal.during.RUNNING", WRITES["during"], "guard"),
            ("report.during", WRITES["during"], "job"),
            ("in_evaluation", "evaluating", "job"),
        ):
            late = holder == "job"
            yield Fault(victim=victim, when=when, point=point, holder=holder, late=late, job="terminal")  # type: ignore[arg-type]
        point = "journal.during.STOPPING"
        yield Fault(victim=victim, when="stopping", point=point, holder="guard", story="stops", job="terminal")


def _who_serves_the_terminal() -> Iterator[Fault]:
    """The process that logs and shows a terminal, killed in its own work too: what it has read and not logged."""

    def fault(when: str, point: str, holder: Holder = "guard", story: Story = "counts", late: bool = False) -> Fault:
        return Fault(victim="terminal", when=when, point=point, holder=holder, story=story, late=late, job="terminal")

    for point in ("terminal.held", "launch.after_fork", "launch.done"):
        yield fault("at start-up", point)
    yield fault(WRITES["before"], "terminal.read", late=True)
    yield fault(WRITES["after"], "terminal.written", late=True)
    for moment, column in WRITES.items():
        yield fault(column, f"journal.{moment}.RUNNING")
        yield fault(column, f"report.{moment}", "job", late=True)
        yield fault(column, f"exit.{moment}")
    yield fault("evaluating", "in_evaluation", "job", late=True)
    for point in ("writing_checkpoint", "after_checkpoint_rename"):
        yield fault("saving", point, "job", late=True)
    for point in ("journal.during.BACKOFF", "moved.BACKOFF"):
        yield fault("in backoff", point, story="fails")
    for point in ("journal.during.STOPPING", "exit.before"):
        yield fault("stopping", point, story="stops")
    yield fault("stopping", "rank.stopping", "job", story="stops")


VLATUI_SEES = 6
"""A dashboard takes a second to start, and writes nothing but requests: that many of each column are enough."""


def all_faults() -> list[Fault]:
    """The whole matrix."""
    found = [fault for victim in VICTIMS if victim not in ("vlatui", "terminal") for fault in _of(victim)]
    by_column: dict[str, list[Fault]] = {}
    for fault in (*_own_writes_of_vlatui(), *_of("vlatui")):
        by_column.setdefault(fault.when, []).append(fault)
    found += [*_in_a_terminal(), *_who_serves_the_terminal()]
    return [*found, *(fault for column in by_column.values() for fault in column[:VLATUI_SEES])]


def _of(victim: Victim) -> Iterator[Fault]:
    for kind in (_start_up, _writes, _working, _backoff, _stopping):
        yield from kind(victim)
