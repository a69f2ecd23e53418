"""Whether a run goes on after an attempt has ended, and when."""

from collections.abc import Sequence

import msgspec

from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.progress import CheckpointSaved, Finished, Reason
from vlad.records.run import Attempt
from vlad.records.spec import Kind, RestartPolicy
from vlad.records.wording import Wording, Wordings, english, worded

NEVER_RETRIED = frozenset(
    {
        Cause.BAD_CONFIG,
        Cause.CANNOT_START,
        Cause.CHECKPOINT_MISMATCH,
        Cause.DISK_FULL,
        Cause.MISSING_FILE,
        Cause.MISSING_MODULE,
        Cause.NOT_A_NUMBER,
        Cause.VERSION_MISMATCH,
    }
)
"""Trying again changes nothing about these."""

BLAMELESS = frozenset({Cause.LOST_NODE, Cause.REBOOT, Cause.TIME_LIMIT})
"""The host's doing: restarts after these cost nothing of the budget."""

EXIT_BAD_CONFIG = 2
_NO_HELP = Wording("trying again would not help")


class Succeed(msgspec.Struct, frozen=True):
    reason: Reason


class Stop(msgspec.Struct, frozen=True):
    """Ended because it was asked to."""


class Restart(msgspec.Struct, frozen=True):
    delay_s: float
    wording: Wordings

    @property
    def why(self) -> str:
        return english(self.wording)


class GiveUp(msgspec.Struct, frozen=True):
    wording: Wordings

    @property
    def why(self) -> str:
        return english(self.wording)


Decision = Succeed | Stop | Restart | GiveUp


def decide(
    kind: Kind,
    policy: RestartPolicy,
    attempts: Sequence[Attempt],
    finished: Finished | None,
    *,
    stop_requested: bool,
    early_stopped: bool = False,
) -> Decision:
    """What follows the end of the last of `attempts` (those since the last start or resume by a user; it has an exit).

    `finished` is what the program itself said at the end of that attempt. An unknown exit is never taken for success
    unless the program said that it was done. A program that vlad has `early_stopped` has succeeded however it ended:
    few programs end with 0 after a signal.
    """
    last = attempts[-1]
    assert last.exit is not None
    if early_stopped:
        return Succeed(Reason.EARLY_STOP)
    reason = _reason_of_success(kind, last.exit, finished, stop_requested=stop_requested)
    if reason is not None:
        return Succeed(reason)
    if stop_requested:
        return Stop()
    if refusal := _refusal(kind, last):
        return GiveUp(refusal)
    return _within_budget(policy, attempts)


def _reason_of_success(kind: Kind, exit: Exit, finished: Finished | None, *, stop_requested: bool) -> Reason | None:
    is_unknown = exit.code is None and exit.signal is None
    if finished is not None:
        ended_well = exit.is_success or (is_unknown and finished.reason is not None)
        return (finished.reason or Reason.COMMAND_DONE) if ended_well and not finished.stopped else None
    if not exit.is_success:
        return None
    return None if stop_requested else Reason.COMMAND_DONE


def _refusal(kind: Kind, attempt: Attempt) -> Wordings:
    """Why this end is never retried, empty where it may be."""
    cause = cause_of(attempt)
    if cause in NEVER_RETRIED:
        return (*_summary(attempt), _NO_HELP)
    if kind is Kind.TRAIN and attempt.exit is not None and attempt.exit.code == EXIT_BAD_CONFIG:
        return (Wording("the trainer refused its configuration (exit code 2)"), _NO_HELP)
    return ()


def _within_budget(policy: RestartPolicy, attempts: Sequence[Attempt]) -> Restart | GiveUp:
    failures = failures_without_progress(attempts)
    if failures > policy.budget:
        return GiveUp((*_summary(attempts[-1]), _without_progress(failures)))
    spent = worded("restart {number} of {budget} without new checkpoint", number=failures, budget=policy.budget)
    return Restart(backoff_s(policy, failures), (*_summary(attempts[-1]), spent))


def _without_progress(failures: int) -> Wording:
    if failures == 1:
        return Wording("no restart is allowed")
    return worded("{count} attempts in a row without a new checkpoint", count=failures)


def failures_without_progress(attempts: Sequence[Attempt]) -> int:
    """How many attempts in a row, up to the last, failed since a checkpoint was last saved.

    The attempt that saved one counts, because it failed after that; one that ended by the host's doing does not.
    """
    failures = 0
    for attempt in reversed(attempts):
        failures += cause_of(attempt) not in BLAMELESS
        if has_progress(attempt):
            break
    return failures


def restarts_spent(attempts: Sequence[Attempt], checkpoint: CheckpointSaved | None) -> int:
    """How much of its budget a run has spent now: `attempts` since it was started or resumed, and its last checkpoint.

    What it spent is paid back as soon as an attempt that still goes on has saved more than it began with.
    """
    last = attempts[-1] if attempts else None
    if last is not None and last.exit is None and checkpoint is not None and checkpoint.attempt == last.number:
        last = msgspec.structs.replace(last, checkpoint_step=checkpoint.step)
        if has_progress(last):
            return 0
    return failures_without_progress([attempt for attempt in attempts if attempt.exit is not None])


def has_progress(attempt: Attempt) -> bool:
    """Whether the attempt saved a checkpoint beyond the one that it began with."""
    return attempt.checkpoint_step is not None and attempt.checkpoint_step > (attempt.start_step or 0)


def backoff_s(policy: RestartPolicy, failures: int) -> float:
    """The wait before the next attempt, longer after every failure without progress, up to the cap."""
    exponent = min(max(failures - 1, 0), 64)
    return float(min(policy.backoff_s * policy.backoff_factor**exponent, policy.backoff_cap_s))


def cause_of(attempt: Attempt) -> Cause | None:
    return attempt.diagnosis.cause if attempt.diagnosis else None


def _summary(attempt: Attempt) -> Wordings:
    return attempt.diagnosis.said if attempt.diagnosis else (exit_in_words(attempt.exit),)


def exit_in_words(exit: Exit | None) -> Wording:
    """E.g. "exit code 3", "killed by signal 9", "exit status unknown"."""
    if exit is not None and exit.code is not None:
        return worded("exit code {code}", code=exit.code)
    if exit is not None and exit.signal is not None:
        return worded("killed by signal {signal}", signal=exit.signal)
    return Wording("exit status unknown")


def plain_diagnosis(exit: Exit, *, rebooted: bool, finished: Finished | None) -> Diagnosis | None:
    """What the exit alone tells; None for a success."""
    if exit.is_success and not (finished and finished.stopped):
        return None
    if exit.is_success:
        return Diagnosis.of(Cause.PREEMPTED, Wording("stopped by somebody else than vlad"))
    if exit.code is not None:
        return Diagnosis.of(Cause.EXITED, exit_in_words(exit), confidence="certain")
    if exit.signal is not None:
        return Diagnosis.of(Cause.KILLED, exit_in_words(exit), confidence="certain")
    if rebooted:
        return Diagnosis.of(Cause.REBOOT, Wording("the host was restarted"), confidence="certain")
    return Diagnosis.of(Cause.UNKNOWN, exit_in_words(exit), confidence="unknown")
