"""What a user is told about, and in which words. Pure."""

from enum import StrEnum

import msgspec

from vlad.policy.advice import to_do
from vlad.records import figures
from vlad.records.outcome import Cause
from vlad.records.progress import Reason
from vlad.records.run import RunRecord, State
from vlad.records.summary import Summary
from vlad.records.wording import english


class Occasion(StrEnum):
    """What a user may want to be told about."""

    END = "end"
    CRASH = "crash"
    EARLY_STOP = "early_stop"
    HANG = "hang"


class Notice(msgspec.Struct, frozen=True):
    """One message. It is sent where any of its occasions is wanted."""

    occasions: frozenset[Occasion]
    title: str
    body: str


def notice_of(record: RunRecord) -> Notice | None:
    """What the move that the run has just made is worth telling; None for most moves."""
    occasions = _occasions(record)
    if not occasions:
        return None
    return Notice(occasions, _title(record), "\n".join(_lines(record)))


def notice_of_hang(record: RunRecord) -> Notice | None:
    """For a run that counts as hung and is left alone; what is restarted is told as such."""
    if record.quiet is None or not record.quiet.is_hung:
        return None
    lines = [
        *(evidence.text for evidence in record.quiet.evidence),
        f"nothing is done about it: `vlad stacks {record.run_id}` shows more, `vlad stop` ends it",
        _place(record),
    ]
    return Notice(
        frozenset({Occasion.HANG}),
        f"{record.full_name} hangs: {record.quiet.words(record.updated_at)}",
        "\n".join(lines),
    )


def _occasions(record: RunRecord) -> frozenset[Occasion]:
    hung = record.diagnosis is not None and record.diagnosis.cause is Cause.HUNG
    failure = Occasion.HANG if hung else Occasion.CRASH
    match record.state:
        case State.BACKOFF:
            return frozenset({failure})
        case State.FAILED:
            return frozenset({Occasion.END, failure} if record.diagnosis else {Occasion.END})
        case State.SUCCEEDED if record.reason is Reason.EARLY_STOP:
            return frozenset({Occasion.END, Occasion.EARLY_STOP})
        case State.SUCCEEDED | State.STOPPED:
            return frozenset({Occasion.END})
        case _:
            return frozenset()


def _title(record: RunRecord) -> str:
    told = record.diagnosis.summary if record.diagnosis and record.state is not State.STOPPED else ""
    outcome = record.reason.words if record.reason else told
    word = "restarts" if record.state is State.BACKOFF else str(record.state)
    return f"{record.full_name} {word}" + (f": {outcome}" if outcome else "")


def _lines(record: RunRecord) -> list[str]:
    diagnosis = None if record.state in (State.SUCCEEDED, State.STOPPED) else record.diagnosis
    candidates = [
        record.why,
        diagnosis.summary if diagnosis and diagnosis.summary not in record.why else "",
        english(to_do(record, record.attempt)) if diagnosis and record.attempt else "",
        _place(record),
    ]
    return [line for line in candidates if line]


def _place(record: RunRecord) -> str:
    return f"{record.run_id} on {record.host}, after {figures.duration(record.updated_at - record.created_at)}"


def progress_line(summary: Summary) -> str:
    """How far the run has come; empty where it tells nothing."""
    last = summary.last_evaluation
    of = f" of {last.episodes}" if last is not None and last.episodes else ""
    parts = [
        "" if summary.step is None else f"step {figures.count(summary.step)} of {figures.count(summary.max_steps)}",
        "" if summary.loss is None else f"loss {figures.number(summary.loss)}",
        "" if last is None or last.failure else f"success {figures.percent(last.success_rate)}{of}",
        ""
        if summary.best is None
        else f"best {figures.percent(summary.best)} at step {figures.count(summary.best_step)}",
    ]
    return ", ".join(part for part in parts if part)
