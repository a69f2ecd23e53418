"""Runs in words: the one place that knows how states, phases, outcomes and journal entries are called and coloured."""

from collections.abc import Sequence
from typing import assert_never

from vlad.records import figures
from vlad.records.events import (
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
)
from vlad.records.gpus import LeasedGpu, Leftover, QueuePlace
from vlad.records.history import name_in
from vlad.records.outcome import Diagnosis, Exit
from vlad.records.progress import Phase, Reason
from vlad.records.run import RunRecord
from vlad.records.summary import Summary

from vlatui.look.tones import Span, Tone
from vlatui.look.words import told, tr

STATES: dict[State, tuple[str, Tone]] = {
    State.QUEUED: ("○", Tone.INFO),
    State.STARTING: ("◔", Tone.INFO),
    State.RUNNING: ("●", Tone.GOOD),
    State.BACKOFF: ("↻", Tone.WARN),
    State.STOPPING: ("◑", Tone.WARN),
    State.STOPPED: ("■", Tone.MUTED),
    State.SUCCEEDED: ("✓", Tone.GOOD),
    State.FAILED: ("✗", Tone.BAD),
}
RUNGS = {
    StopRung.REQUEST: "the program is asked to save and exit",
    StopRung.TERM: "SIGTERM to the program",
    StopRung.KILL: "SIGKILL to every process of the run",
}
REASONS = {
    Reason.MAX_STEPS: "made all its steps",
    Reason.EARLY_STOP: "stopped early: no more improvement",
    Reason.COMMAND_DONE: "the command is done",
}


def state_mark(state: State) -> Span:
    """The state as one character that reads without colour."""
    character, tone = STATES[state]
    return Span(character, tone)


def state_word(state: State) -> Span:
    return Span(tr(state.value.lower()), STATES[state][1])


def standing(record: RunRecord) -> Span:
    """The state, or that a run which should tell something does not."""
    if record.quiet is not None and not record.state.is_final:
        return Span(tr("hung"), Tone.BAD) if record.quiet.is_hung else Span(tr("quiet"), Tone.WARN)
    return state_word(record.state)


def whole(record: RunRecord) -> tuple[Span, ...]:
    """Behind the name of a part of another run: of which."""
    return (Span(f" {tr('of {run}', run=name_in(record.part_of))}", Tone.MUTED),) if record.part_of else ()


def activity(record: RunRecord, summary: Summary) -> Span:
    """What the run does now: its phase while it runs, else its state."""
    if record.quiet is not None:
        return standing(record)
    if record.state is State.RUNNING and summary.phase is not None:
        return phase_word(summary.phase)
    return state_word(record.state)


def phase_word(phase: Phase) -> Span:
    match phase:
        case Phase.LOADING:
            return Span(tr("loading"), Tone.INFO)
        case Phase.TRAINING:
            return Span(tr("training"), Tone.GOOD)
        case Phase.EVALUATING:
            return Span(tr("evaluating"), Tone.ACCENT)
        case Phase.SAVING:
            return Span(tr("saving"), Tone.INFO)
        case _:
            assert_never(phase)


def outcome(record: RunRecord) -> str:
    """Why a run that ended did so, in words."""
    if record.state is State.SUCCEEDED and record.reason is not None:
        return tr(REASONS[record.reason])
    return told(record.said, record.why)


def cause_words(diagnosis: Diagnosis) -> str:
    """CUDA_OUT_OF_MEMORY as people write it."""
    words = diagnosis.cause.value.replace("_", " ").lower()
    return words.replace("cuda", "CUDA").replace("nccl", "NCCL").replace("gpu", "GPU")


def exit_words(exit: Exit | None) -> str:
    if exit is None or (exit.code is None and exit.signal is None):
        return tr("exit status unknown")
    if exit.signal is not None:
        return tr("killed by signal {signal}", signal=exit.signal)
    return tr("exit code {code}", code=exit.code)


def event_words(event: AnyEvent) -> tuple[Span, str]:
    """A journal entry: a short coloured word for its kind, and a sentence."""
    match event:
        case Created():
            return Span(tr("created"), Tone.INFO), tr(
                "asked for on {host}, {tty}", host=event.host, tty=tr(figures.terminal(event.tty))
            )
        case Moved():
            word = state_word(event.state)
            return word, told(event.wording, event.why) or (tr(REASONS[event.reason]) if event.reason else "")
        case Supervised():
            pids = tr("keeper {keeper}, supervisor {own}", keeper=event.keeper.pid, own=event.supervisor.pid)
            return Span(tr("supervised"), Tone.MUTED), f"{pids}{f': {tr(event.why)}' if event.why else ''}"
        case AttemptStarted():
            return Span(tr("attempt"), Tone.INFO), _starts(event)
        case AgentStarted():
            return Span(tr("attempt"), Tone.INFO), tr(
                "{number} runs as process {pid}", number=event.number, pid=event.agent.pid
            )
        case AttemptEnded():
            return _attempt_ended(event)
        case Requested():
            return Span(tr("request"), Tone.ACCENT), _request(event)
        case RungReached():
            return Span(tr("stopping"), Tone.WARN), _rung(event)
        case EarlyStopped():
            return Span(tr("early stop"), Tone.ACCENT), told(event.wording, event.why) or tr(
                "no more improvement at step {step}", step=f"{event.step:,}"
            )
        case Noted():
            return Span(tr("note"), Tone.MUTED), event.message
        case Waits():
            return Span(tr("waits"), Tone.INFO), queue_words(event.place)
        case WentQuiet():
            return _went_quiet(event)
        case Leased():
            return Span(tr("GPUs"), Tone.INFO), _leased(event)
        case LeftBehind():
            return Span(tr("leftover"), Tone.BAD), leftover_words(event.processes)
        case _:
            assert_never(event)


def _starts(event: AttemptStarted) -> str:
    if event.resumed_from:
        return tr("{number} starts, resumed from {adapter}", number=event.number, adapter=event.resumed_from)
    return tr("{number} starts", number=event.number)


def _request(event: Requested) -> str:
    asked = tr(event.action)
    words = tr("{request} by {who}", request=asked, who=event.by) if event.by else asked
    return f"{words}: {event.detail}" if event.detail else words


def _rung(event: RungReached) -> str:
    follows = tr("the next step follows in {seconds} s", seconds=f"{event.grace_s:.0f}")
    return f"{tr(RUNGS[event.rung])}; {follows}"


def _leased(event: Leased) -> str:
    return tr("holds {gpus}", gpus=gpu_words(event.gpus)) if event.gpus else tr("gave up its GPUs")


def queue_words(place: QueuePlace) -> str:
    reason = told(place.wording, place.reason)
    if place.position is None:
        return reason
    at = tr("{position} of {count} in the queue", position=place.position, count=place.length)
    return f"{reason}, {at}"


def gpu_words(gpus: Sequence[LeasedGpu]) -> str:
    """GPU 0, 1 or GPU 0 for one."""
    return f"GPU {', '.join(str(gpu.index) for gpu in gpus)}"


def leftover_words(processes: Sequence[Leftover]) -> str:
    return tr("left behind: {processes}", processes="; ".join(one.told for one in processes))


def _went_quiet(event: WentQuiet) -> tuple[Span, str]:
    if event.quiet is None:
        return Span(tr("goes on"), Tone.GOOD), tr("it tells something again")
    word = Span(tr("hung"), Tone.BAD) if event.quiet.is_hung else Span(tr("quiet"), Tone.WARN)
    stacks = f"; {tr('stacks in {file}', file=event.quiet.stacks)}" if event.quiet.stacks else ""
    return word, told(event.quiet.said(event.at), event.quiet.told(event.at)) + stacks


def _attempt_ended(event: AttemptEnded) -> tuple[Span, str]:
    words = tr("{number} ended: {how}", number=event.number, how=exit_words(event.exit))
    if event.end_step is not None:
        words += " " + tr("at step {step}", step=f"{event.end_step:,}")
    if event.diagnosis is not None:
        words += f": {told(event.diagnosis.said, event.diagnosis.summary)}"
    return Span(tr("attempt"), Tone.INFO if event.exit.is_success else Tone.BAD), words
