"""Why a run ended, whole: every attempt with its evidence and advice. Pure."""

from itertools import groupby

from vlad.policy.advice import since
from vlad.records.home_view import RunView
from vlad.records.run import Attempt, RunRecord
from vlad.records.wording import english

from vlatui.look.tones import Line, Span, Tone
from vlatui.look.words import told, tr
from vlatui.telling.header import diagnosed_lines, header_lines

MOST_LINES = 20
"""Of a sentence: all of them, where the page is not a few cells wide."""


def why_lines(run: RunView, now: float, width: int) -> list[Line]:
    """Every failed attempt, newest first, with its evidence and advice; first how the run stands where it went on."""
    record = run.record
    failed = [attempt for attempt in reversed(record.attempts) if attempt.diagnosis is not None]
    lines = [] if failed and failed[0] is record.attempt else header_lines(run, now, width)
    if not failed:
        return [*lines, [], *([Span(words, Tone.MUTED)] for words in _no_failure(record))]
    for attempt in failed:
        if lines:
            lines.append([])
        title = tr("Attempt {number}", number=attempt.number)
        if attempt.end_step is not None:
            title += tr(", steps {first} to {last}", first=f"{attempt.start_step or 0:,}", last=f"{attempt.end_step:,}")
        then = since(record, attempt)
        lines.append([Span(title, Tone.TITLE), Span(f" · {told(then, english(then))}" if then else "", Tone.MUTED)])
        lines += diagnosed_lines(record, attempt, width, MOST_LINES)
        lines += [[Span(f"  {place}", Tone.MUTED)] for place in _places(attempt)]
    return lines


def _places(attempt: Attempt) -> list[str]:
    """Where the evidence begins in each file."""
    evidence = attempt.diagnosis.evidence if attempt.diagnosis else ()
    return [f"{file} @ {next(found).offset:,}" for file, found in groupby(evidence, key=lambda one: one.file)]


def _no_failure(record: RunRecord) -> list[str]:
    """What is said of a run without an attempt that failed; why it waits or never began stands above."""
    if record.has_begun:
        return [tr("No attempt of this run has failed.")]
    if record.state.is_final:
        return [tr("It never began: no attempt was made."), tr("r starts it all the same, whatever it was to follow")]
    return [tr("It has not begun yet.")]
