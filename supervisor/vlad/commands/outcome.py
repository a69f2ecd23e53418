"""How a run ended, as an exit code and in words."""

from vlad.records import figures
from vlad.records.run import RunRecord, State

STOPPED_CODE = 130
UNKNOWN_FAILURE = 1
OUTCOMES = """\
exit code: 0 the run succeeded; 130 it was stopped; otherwise that of the failed program
(128 + N for signal N, 1 where it is unknown)"""


def exit_code(record: RunRecord) -> int:
    """The exit code that tells the outcome of a run that has ended."""
    if record.state is State.SUCCEEDED:
        return 0
    if record.state is State.STOPPED:
        return STOPPED_CODE
    ended = record.attempt.exit if record.attempt else None
    if ended is not None and ended.signal:
        return 128 + ended.signal
    return (ended.code if ended else None) or UNKNOWN_FAILURE


def in_words(record: RunRecord) -> str:
    """E.g. "demo-… SUCCEEDED after 5m 12s: early stop"; why a run is running nobody asks."""
    took = "" if record.ended_at is None else f" after {figures.duration(_took_s(record, record.ended_at))}"
    reason = record.reason.words if record.reason else record.why
    reason = "" if record.state is State.RUNNING else reason
    return f"{record.run_id} {record.state}{took}" + (f": {reason}" if reason else "")


def _took_s(record: RunRecord, ended_at: float) -> float:
    """How long it ran; of a run that never began, how long it waited."""
    return record.ran_s(ended_at) if record.has_begun else ended_at - record.created_at
