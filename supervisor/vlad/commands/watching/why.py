"""vlad why: the cause of a run's end, with the evidence, and what to do."""

import sys
import time
from argparse import ArgumentParser, Namespace
from itertools import groupby
from typing import Any

import msgspec

from vlad.commands.command import Command, add_json, add_run, found_run, print_json
from vlad.commands.outcome import in_words
from vlad.commands.text import STATE_TONES, Ink, Tone, pairs, safe
from vlad.policy.advice import since, to_do
from vlad.records.files import RecordError
from vlad.records.outcome import Diagnosis, Exit
from vlad.records.quiet import Quiet
from vlad.records.run import Attempt, RunRecord
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Predecessor
from vlad.records.wording import english


def _add(parser: ArgumentParser) -> None:
    add_run(parser)
    add_json(parser)


def _run(arguments: Namespace) -> int:
    run = found_run(arguments.run)
    record = run.read_record()
    if arguments.json:
        print_json(_as_json(record))
    else:
        print("\n".join(_lines(run, record, Ink.for_stream(sys.stdout))))
    return 0


def _as_json(record: RunRecord) -> dict[str, Any]:
    attempts = [
        {"number": one.number, "exit": msgspec.to_builtins(one.exit), "diagnosis": msgspec.to_builtins(one.diagnosis)}
        for one in record.attempts
    ]
    return {
        "run_id": record.run_id, "state": record.state, "why": record.why, "reason": record.reason,
        "attempts": attempts,
    }  # fmt: skip


def _lines(run: RunDirectory, record: RunRecord, ink: Ink) -> list[str]:
    """The last attempt that was diagnosed in full, all in a line each."""
    lines = [ink(safe(in_words(record)), STATE_TONES[record.state])]
    if record.why and record.reason:
        lines.append(safe(record.why))
    if record.quiet is not None and not record.state.is_final:
        lines += ["", *_quiet_lines(run, record.quiet, ink)]
    told = next((one for one in reversed(record.attempts) if one.diagnosis is not None), None)
    if told is not None and told.diagnosis is not None and (told is record.attempt or not record.state.is_final):
        rows = [*_end_rows(run, told.number, told.diagnosis, ink), *_way_on_rows(record, told)]
        lines += ["", pairs(rows, ink)]
    if not record.has_begun:
        lines += ["", pairs(_unbegun_rows(run, record), ink)]
    elif len(record.attempts) > 1 or record.diagnosis is None:
        lines += ["", ink("attempts", Tone.TITLE), *(attempt_line(one) for one in record.attempts)]
    return lines


def _unbegun_rows(run: RunDirectory, record: RunRecord) -> list[tuple[str, str]]:
    """Of a run whose program was never started: the runs that it follows, its place in the queue, a way on."""
    rows = [("attempts", "none: it never began" if record.state.is_final else "none yet")]
    rows += [("follows", _standing(run, one)) for one in run.read_spec().after]
    place = record.queue
    if place is not None and place.position is not None:
        rows.append(("queue", f"{place.position} of {place.length}; `vlad gpus` shows who has GPUs and who waits"))
    if record.state.is_final:
        rows.append(("to do", f"`vlad resume {record.run_id}` starts it, whatever it was to follow"))
    return rows


def _standing(run: RunDirectory, one: Predecessor) -> str:
    """How a run that this one follows stands now."""
    needed = "its end" if one.any_end else "its success"
    try:
        return f"{safe(in_words(run.home.run(one.run_id).read_record()))} ({needed} was asked for)"
    except RecordError:
        return f"{one.run_id}, which is gone"


def _quiet_lines(run: RunDirectory, quiet: Quiet, ink: Ink) -> list[str]:
    """A run that lives and tells nothing."""
    word = ink("HUNG", Tone.BAD) if quiet.is_hung else ink("quiet", Tone.CARE)
    rows = [(word, safe(quiet.told(time.time()))), *(("stands", safe(one.text)) for one in quiet.evidence)]
    rows.append(("stacks", str(run.path / quiet.stacks) if quiet.stacks else f"`vlad stacks {run.run_id}` reads them"))
    if quiet.is_hung and not quiet.restarts:
        rows.append(("to do", f"`vlad stop {run.run_id}`, then `vlad resume {run.run_id}`"))
    return [pairs(rows, ink)]


def _end_rows(run: RunDirectory, attempt: int, diagnosis: Diagnosis, ink: Ink) -> list[tuple[str, str]]:
    where = "" if diagnosis.rank is None else f", rank {diagnosis.rank}"
    sureness = "cause unknown" if diagnosis.confidence == "unknown" else diagnosis.confidence
    tone = Tone.CARE if diagnosis.confidence == "unknown" else Tone.BAD
    return [
        ("attempt", str(attempt)),
        ("cause", f"{ink(diagnosis.cause, tone)}, {sureness}{where}"),
        ("that is", safe(diagnosis.summary)),
        *(("evidence", quote) for quote in _quotes(run, diagnosis)),
    ]


def _way_on_rows(record: RunRecord, attempt: Attempt) -> list[tuple[str, str]]:
    told = (("since", since(record, attempt)), ("to do", to_do(record, attempt)))
    return [(title, _of_run(record.run_id, english(words))) for title, words in told if words]


def _of_run(run_id: str, advice: str) -> str:
    """Its commands as they can be typed."""
    return advice.replace(" RUN`", f" {run_id}`").replace("`vlad resume`", f"`vlad resume {run_id}`")


def _quotes(run: RunDirectory, diagnosis: Diagnosis) -> list[str]:
    """Quoted lines below their place; those of one file together, at the place of the first."""
    quotes = []
    for file, group in groupby(diagnosis.evidence, key=lambda one: one.file):
        lines = list(group)
        at = f", from byte {lines[0].offset}" if lines[0].offset else ""
        quotes.append("\n".join([f"{run.path / file}{at}", *(safe(one.text) for one in lines)]))
    return quotes


def attempt_line(attempt: Attempt) -> str:
    begun = "to step" if attempt.start_step is None else f"steps {attempt.start_step} to"
    steps = "" if attempt.end_step is None else f", {begun} {attempt.end_step}"
    told = f": {safe(attempt.diagnosis.summary)}" if attempt.diagnosis else ""
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
