"""events.jsonl: the lines of the supervisor's journal, and the states that a run moves between."""

from enum import StrEnum

import msgspec

from vlad.records.gpus import LeasedGpu, Leftover, QueuePlace
from vlad.records.outcome import Diagnosis, Exit, ProcessIdentity
from vlad.records.progress import Reason
from vlad.records.quiet import Quiet
from vlad.records.wording import Wordings


class State(StrEnum):
    """Where a run stands. Outcome details are in reason and cause."""

    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({State.STOPPED, State.SUCCEEDED, State.FAILED})
MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.STARTING, State.STOPPING, State.STOPPED, State.FAILED}),
    State.STARTING: frozenset({State.QUEUED, State.RUNNING, State.BACKOFF, State.STOPPING, *FINAL}),
    State.RUNNING: frozenset({State.BACKOFF, State.STOPPING, *FINAL}),
    State.BACKOFF: frozenset({State.QUEUED, State.STARTING, State.STOPPING, State.STOPPED, State.FAILED}),
    State.STOPPING: frozenset({State.STOPPED, State.SUCCEEDED, State.FAILED}),
    State.STOPPED: frozenset({State.QUEUED, State.STARTING}),
    State.SUCCEEDED: frozenset({State.QUEUED, State.STARTING}),
    State.FAILED: frozenset({State.QUEUED, State.STARTING}),
}


class StopRung(StrEnum):
    """How hard a run is being stopped."""

    REQUEST = "request"
    TERM = "term"
    KILL = "kill"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """One line of the supervisor's journal: `seq` counts from 1 without gaps, `at` is Unix seconds."""

    seq: int
    at: float


class Created(Event, frozen=True, kw_only=True, tag="created"):
    run_id: str
    name: str
    nproc: int | None = None
    host: str
    tty: str | None = None
    cwd: str = ""
    part_of: str | None = None


class Moved(Event, frozen=True, kw_only=True, tag="moved"):
    """The run went to `state`; `why` in plain words, and `wording` the same in sentences."""

    state: State
    why: str = ""
    wording: Wordings = ()
    reason: Reason | None = None
    restart_at: float | None = None


class Supervised(Event, frozen=True, kw_only=True, tag="supervised"):
    """A keeper and a supervisor own the run; also written when either was replaced."""

    keeper: ProcessIdentity
    supervisor: ProcessIdentity
    why: str = ""


class AttemptStarted(Event, frozen=True, kw_only=True, tag="attempt_started"):
    """The intent to launch, journaled before anything is executed; AgentStarted follows when it was."""

    number: int
    argv: tuple[str, ...]
    resumed_from: str | None = None
    start_step: int | None = None


class AgentStarted(Event, frozen=True, kw_only=True, tag="agent_started"):
    """The attempt's torchrun (or command) runs as `agent`."""

    number: int
    agent: ProcessIdentity


class AttemptEnded(Event, frozen=True, kw_only=True, tag="attempt_ended"):
    number: int
    exit: Exit
    end_step: int | None = None
    checkpoint_step: int | None = None
    diagnosis: Diagnosis | None = None


class Requested(Event, frozen=True, kw_only=True, tag="requested"):
    """A request was consumed."""

    request_id: str
    action: str
    by: str = ""
    detail: str = ""


class RungReached(Event, frozen=True, kw_only=True, tag="rung"):
    """The stop ladder reached `rung`; the next one follows `grace_s` later."""

    rung: StopRung
    grace_s: float


class Noted(Event, frozen=True, kw_only=True, tag="noted"):
    """Something worth knowing later that changes no state: a leftover, a warning."""

    message: str


class EarlyStopped(Event, frozen=True, kw_only=True, tag="early_stopped"):
    """The supervisor stops the run because its success rate no longer improves; that is how it succeeds."""

    step: int
    why: str = ""
    wording: Wordings = ()


class Waits(Event, frozen=True, kw_only=True, tag="waits"):
    """A queued run waits for something else than before, or stands elsewhere in the queue."""

    place: QueuePlace


class WentQuiet(Event, frozen=True, kw_only=True, tag="quiet"):
    """The run has told nothing for longer than usual, or counts as hung; without `quiet` it tells something again."""

    quiet: Quiet | None = None


class Leased(Event, frozen=True, kw_only=True, tag="leased"):
    """The run holds these GPUs until it has ended; none where it had to give them up."""

    gpus: tuple[LeasedGpu, ...]


class LeftBehind(Event, frozen=True, kw_only=True, tag="left_behind"):
    """Processes of the attempt that ended which nothing could end."""

    processes: tuple[Leftover, ...]


AnyEvent = (
    Created | Moved | Supervised | AttemptStarted | AgentStarted | AttemptEnded | Requested | RungReached | Noted
    | Waits | Leased | LeftBehind | EarlyStopped | WentQuiet
)  # fmt: skip


_event: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def decode_event(line: bytes) -> AnyEvent | None:
    """One journal line, or None where it is none (torn by a crash)."""
    try:
        return _event.decode(line)
    except msgspec.DecodeError:
        return None
