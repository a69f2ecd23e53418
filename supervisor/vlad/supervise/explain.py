"""Collects what is known about the end of an attempt, and asks the policies for the cause."""

from vlad.host import processes
from vlad.policy.advice import Advice
from vlad.policy.restart import exit_in_words, plain_diagnosis
from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.progress import Finished
from vlad.records.run import Attempt
from vlad.records.rundir import RunDirectory
from vlad.records.wording import worded
from vlad.supervise.launch import cannot_start_message
from vlad.supervise.remarks import remark_on_exception
from vlad.supervise.reserve import is_disk_full

CERTAIN_BY_THEMSELVES = frozenset({Cause.REBOOT, Cause.PREEMPTED})
NOTHING_FOUND = frozenset({Cause.EXITED, Cause.KILLED, Cause.UNKNOWN})


def explain(run: RunDirectory, attempt: Attempt, exit: Exit, finished: Finished | None) -> Diagnosis | None:
    """Why the attempt ended, None for a success."""
    if message := cannot_start_message(run.attempt(attempt.number)):
        return Diagnosis(cause=Cause.CANNOT_START, summary=message, confidence="certain")
    rebooted = attempt.agent is not None and attempt.agent.boot_id != processes.boot_id()
    plain = plain_diagnosis(exit, rebooted=rebooted, finished=finished)
    if plain is None or plain.cause in CERTAIN_BY_THEMSELVES:
        return plain
    found = _from_evidence(run, attempt, exit) or plain
    return _disk_full(run, exit, found) if found.cause in NOTHING_FOUND and is_disk_full(run) else found


def _from_evidence(run: RunDirectory, attempt: Attempt, exit: Exit) -> Diagnosis | None:
    try:
        from vlad.host.evidence import failure_of
        from vlad.policy.diagnose import diagnose  # the tables of causes are not held in memory while all goes well

        return diagnose(failure_of(run, attempt.number, exit))
    except Exception:  # whatever stands in a log: an explanation that fails must not keep the run from going on
        remark_on_exception(f"the end of attempt {attempt.number} could not be explained")
        return None


def _disk_full(run: RunDirectory, exit: Exit, found: Diagnosis) -> Diagnosis:
    """Where the log has no room left for the error, the disk itself is the witness."""
    return Diagnosis.of(
        Cause.DISK_FULL,
        worded("the disk of {path} is full ({exit})", path=run.path, exit=exit_in_words(exit).english),
        evidence=found.evidence,
        rank=found.rank,
        advice=Advice.MAKE_SPACE,
    )
