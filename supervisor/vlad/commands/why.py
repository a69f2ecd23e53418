"""vlad why: the cause of a run's end, with the evidence, and what to do."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec

from vlad.commands.command import Command, add_json, add_run, found_run, print_json
from vlad.commands.outcome import in_words
from vlad.commands.text import STATE_TONES, Ink, Tone, pairs
from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.run import Attempt, RunRecord
from vlad.records.rundir import RunDirectory
from vlad.records.terminal_text import clean_line, without_colour


def _add(parser: ArgumentParser) -> None:
    add_run(parser)
    add_json(parser)


def _run(arguments: Namespace) -> int:
    run = found_run(arguments.run)
    record = run.read_record()
    causes = {attempt.number: found for attempt in record.attempts if (found := diagnosis_of(run, attempt))}
    if arguments.json:
        print_json(_as_json(record, causes))
    else:
        print("\n".join(_lines(run, record, causes, Ink.for_stream(sys.stdout))))
    return 0


def diagnosis_of(run: RunDirectory, attempt: Attempt) -> Diagnosis | None:
    """What the supervisor found when the attempt ended, or what its files tell where it found nothing."""
    if attempt.diagnosis is not None or attempt.exit is None:
        return attempt.diagnosis
    from vlad.host.evidence import failure_of
    from vlad.policy.diagnose import diagnose

    return diagnose(failure_of(run, attempt.number, attempt.exit))


def _as_json(record: RunRecord, causes: dict[int, Diagnosis]) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "state": record.state,
        "why": record.why,
        "reason": record.reason,
        "attempts": [
            {
                "number": attempt.number,
                "exit": msgspec.to_builtins(attempt.exit),
                "diagnosis": msgspec.to_builtins(causes.get(attempt.number)),
            }
            for attempt in record.attempts
        ],
    }


def _lines(run: RunDirectory, record: RunRecord, causes: dict[int, Diagnosis], ink: Ink) -> list[str]:
    """The last attempt in full, those before it in a line each."""
    lines = [ink(in_words(record), STATE_TONES[record.state])]
    if record.why and record.reason:
        lines.append(record.why)
    last = record.attempt
    if last is not None and last.number in causes:
        lines += ["", _told(run, causes[last.number], ink)]
    if len(record.attempts) > 1 or (last is not None and last.number not in causes):
        lines += [
            "",
            ink("attempts", Tone.TITLE),
            *(attempt_line(one, causes.get(one.number)) for one in record.attempts),
        ]
    return lines


def _told(run: RunDirectory, diagnosis: Diagnosis, ink: Ink) -> str:
    where = "" if diagnosis.rank is None else f", rank {diagnosis.rank}"
    tone = Tone.CARE if diagnosis.cause in (Cause.KILLED, Cause.UNKNOWN) else Tone.BAD
    rows = [
        ("cause", f"{ink(diagnosis.cause, tone)} ({_sureness(diagnosis.confidence)}{where})"),
        ("that is", safe(diagnosis.summary)),
        *(("evidence", f"{run.path / one.file}:{one.offset}\n{safe(one.text)}") for one in diagnosis.evidence),
    ]
    return pairs([*rows, ("to do", diagnosis.advice)] if diagnosis.advice else rows, ink)


def _sureness(confidence: str) -> str:
    return "who or what caused it is not known" if confidence == "unknown" else confidence


def safe(text: str) -> str:
    """Quoted log text, harmless to a terminal."""
    return "\n".join(without_colour(clean_line(line.encode())) for line in text.split("\n"))


def attempt_line(attempt: Attempt, diagnosis: Diagnosis | None) -> str:
    steps = "" if attempt.end_step is None else f", steps {attempt.start_step or 0} to {attempt.end_step}"
    told = f": {safe(diagnosis.summary)}" if diagnosis else ""
    return f"  {attempt.number}  {exit_words(attempt.exit)}{steps}{told}"


def exit_words(ended: Exit | None) -> str:
    if ended is None:
        return "not ended"
    if ended.signal is not None:
        return f"signal {ended.signal}"
    return "exit unknown" if ended.code is None else f"exit {ended.code}"


WHY = Command(
    run=_run,
    add=_add,
    examples="""
    vlad why last
    vlad why spatial --json
    """,
)
