"""state.json: what a run is now, folded from its journal; no move that the table does not have."""

import msgspec

from vlad.records.events import (
    FINAL,
    MOVES,
    AgentStarted,
    AnyEvent,
    AttemptEnded,
    AttemptStarted,
    Created,
    EarlyStopped,
    Leased,
    LeftBehind,
    Moved,
    Noted,
    Requested,
    RungReached,
    State,
    StopRung,
    Supervised,
    Waits,
    WentQuiet,
    decode_event,
)
from vlad.records.gpus import LeasedGpu, Leftover, QueuePlace
from vlad.records.history import name_in
from vlad.records.outcome import Cause, Diagnosis, Evidence, Exit, ProcessIdentity
from vlad.records.progress import Phase, Reason
from vlad.records.quiet import Quiet
from vlad.records.wording import Wordings, word_for_word

STATE_SCHEMA = 1


class IllegalMove(Exception):
    """A move between states that the table does not have: a mistake in the supervisor."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One launch. Steps are those reported when it started and ended."""

    number: int
    started_at: float
    agent: ProcessIdentity | None = None
    resumed_from: str | None = None
    start_step: int | None = None
    end_step: int | None = None
    checkpoint_step: int | None = None
    exit: Exit | None = None
    diagnosis: Diagnosis | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """state.json: the fold of the journal. Live numbers (step, loss, success rate) are in the trainer's own files."""

    schema: int = STATE_SCHEMA
    run_id: str
    name: str
    state: State
    seq: int
    created_at: float
    updated_at: float
    host: str
    cwd: str = ""
    tty: str | None = None
    nproc: int | None = None
    part_of: str | None = None
    ended_at: float | None = None
    why: str = ""
    wording: Wordings = ()
    reason: Reason | None = None
    restart_at: float | None = None
    stop_requested: bool = False
    stop_now: bool = False
    early_stopped: bool = False
    rung: StopRung | None = None
    rung_at: float | None = None
    first_attempt: int = 1
    was_resumed: bool = False
    keeper: ProcessIdentity | None = None
    supervisor: ProcessIdentity | None = None
    attempts: tuple[Attempt, ...] = ()
    queue: QueuePlace | None = None
    gpus: tuple[LeasedGpu, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    quiet: Quiet | None = None

    @property
    def full_name(self) -> str:
        """The name; of a part of another run that one's, too."""
        return f"{self.name} of {name_in(self.part_of)}" if self.part_of else self.name

    @property
    def attempt(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def has_begun(self) -> bool:
        """Whether its program was ever to be started."""
        return bool(self.attempts)

    @property
    def current_attempt(self) -> int:
        """The number of the attempt that goes on, or comes next where none does; of a run that ended the last one."""
        is_between = self.attempt is not None and self.attempt.exit is not None and not self.state.is_final
        return len(self.attempts) + is_between

    def ran_s(self, at: float) -> float:
        """For how many seconds its attempts have gone on until `at` (Unix seconds): waits between them do not count."""
        ends = [attempt.exit.at if attempt.exit else self.ended_at or at for attempt in self.attempts]
        return sum(max(0.0, end - attempt.started_at) for end, attempt in zip(ends, self.attempts, strict=True))

    @property
    def diagnosis(self) -> Diagnosis | None:
        return self.attempt.diagnosis if self.attempt else None

    @property
    def said(self) -> Wordings:
        """`why`, as it can be said in another language."""
        return self.wording or word_for_word(self.why)


def fold(record: RunRecord | None, event: AnyEvent) -> RunRecord:
    """The run after `event`. The first event must be Created. Raises IllegalMove for a move the table does not have."""
    if record is not None and isinstance(event, Created):
        raise IllegalMove(f"{record.run_id} is created twice")
    if record is not None and isinstance(event, Moved) and event.state not in MOVES[record.state]:
        raise IllegalMove(f"{record.run_id}: {record.state} -> {event.state} ({event.why})")
    return _after(record, event)


def _after(record: RunRecord | None, event: AnyEvent) -> RunRecord:
    if isinstance(event, Created):
        return RunRecord(
            run_id=event.run_id, name=event.name, state=State.QUEUED, seq=event.seq, created_at=event.at,
            updated_at=event.at, host=event.host, cwd=event.cwd, tty=event.tty, nproc=event.nproc,
            part_of=event.part_of,
        )  # fmt: skip
    if record is None:
        raise IllegalMove(f"the journal begins with {type(event).__name__}, not with Created")
    return msgspec.structs.replace(_folded(record, event), seq=event.seq, updated_at=event.at)


def _folded(record: RunRecord, event: AnyEvent) -> RunRecord:
    replace = msgspec.structs.replace
    match event:
        case Moved():
            return _moved(record, event)
        case Supervised():
            return replace(record, keeper=event.keeper, supervisor=event.supervisor)
        case AttemptStarted():
            attempt = Attempt(
                number=event.number, started_at=event.at, resumed_from=event.resumed_from, start_step=event.start_step
            )  # fmt: skip
            return replace(record, attempts=(*record.attempts, attempt), rung=None, rung_at=None)
        case AgentStarted():
            return _with_attempt(record, event.number, agent=event.agent)
        case AttemptEnded():
            return _with_attempt(
                record, event.number, exit=event.exit, end_step=event.end_step,
                checkpoint_step=event.checkpoint_step, diagnosis=event.diagnosis,
            )  # fmt: skip
        case Requested():
            return _requested(record, event)
        case RungReached():
            return replace(record, rung=event.rung, rung_at=event.at)
        case Waits():
            return replace(record, queue=event.place, why=event.place.reason, wording=event.place.wording)
        case Leased():
            return replace(record, gpus=event.gpus)
        case WentQuiet():
            return replace(record, quiet=event.quiet)
        case EarlyStopped():
            return replace(record, early_stopped=True, stop_requested=True, why=event.why, wording=event.wording)
        case LeftBehind():
            return replace(record, leftovers=event.processes)
        case _:
            return record


def _with_attempt(record: RunRecord, number: int, **changes: object) -> RunRecord:
    attempts = [msgspec.structs.replace(one, **changes) if one.number == number else one for one in record.attempts]
    return msgspec.structs.replace(record, attempts=tuple(attempts))


def _requested(record: RunRecord, event: Requested) -> RunRecord:
    """A stop asked of a run that has ended is none."""
    if record.state.is_final or event.action not in STOP_ACTIONS:
        return record
    return msgspec.structs.replace(record, stop_requested=True, stop_now=record.stop_now or event.action == "stop_now")


STOP_ACTIONS = frozenset({"stop", "stop_now"})


def _moved(record: RunRecord, event: Moved) -> RunRecord:
    moved = msgspec.structs.replace(
        record,
        state=event.state,
        why=event.why,
        wording=event.wording,
        reason=event.reason,
        restart_at=event.restart_at,
        queue=None,
        quiet=record.quiet if event.state is State.STOPPING else None,
        ended_at=event.at if event.state.is_final else None,
    )
    return _begun_anew(moved) if record.state.is_final else moved


def _begun_anew(record: RunRecord) -> RunRecord:
    """What a resume forgets: that the run was stopped, and the restarts that its budget has paid for."""
    return msgspec.structs.replace(
        record, stop_requested=False, stop_now=False, early_stopped=False, rung=None, rung_at=None,
        first_attempt=len(record.attempts) + 1, was_resumed=True,
    )  # fmt: skip


def fold_all(lines: list[bytes]) -> RunRecord | None:
    """The record that a journal tells, None for a journal without events.

    An event that stands there twice (appended again because its first fsync failed) counts once. Moves are not checked
    again: they were legal when they were written, and lines lost with a disk must not make the rest unreadable.
    """
    record: RunRecord | None = None
    for line in lines:
        event = decode_event(line)
        if event is not None and (event.seq > record.seq if record else isinstance(event, Created)):
            record = _after(record, event)
    return record


__all__ = [
    "FINAL", "MOVES", "AgentStarted", "AnyEvent", "AttemptEnded", "AttemptStarted", "Cause", "Created", "Diagnosis",
    "EarlyStopped", "Evidence", "Exit", "Leased", "LeasedGpu", "LeftBehind", "Leftover", "Moved", "Noted", "Phase",
    "ProcessIdentity", "QueuePlace", "Reason", "Requested", "RunRecord", "RungReached", "State", "StopRung",
    "Supervised", "Waits", "WentQuiet", "decode_event", "fold", "fold_all",
]  # fmt: skip
