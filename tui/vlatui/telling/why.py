"""Why a run ended, whole: every attempt with its evidence and advice. Pure."""

from vlad.policy.advice import since
from vlad.records.home_view import RunView
from vlad.records.run import RunRecord
from vlad.records.wording import english

from vlatui.look.tones import Line, Span, Tone
from vlatui.look.words import told, tr
from vlatui.telling.header import diagnosed_lines, header_lines

MOST_LINES = 20
"""Of a sentence: all of them, where the page is not a few cells wide."""


def why_lines(run: RunView, now: float, width: int) -> list[Line]:
    """Every attempt's end, newest first, with its evidence and advice."""
    record = run.record
    if not record.attempts or all(attempt.diagnosis is None for attempt in record.attempts):
        return [*header_lines(run, now, width), [], *([Span(words, Tone.MUTED)] for words in _no_failure(record))]
    lines: list[Line] = []
    for attempt in reversed(record.attempts):
        if attempt.diagnosis is None:
            continue
        if lines:
            lines.append([])
        title = tr("Attempt {number}", number=attempt.number)
        if attempt.end_step is not None:
            title += tr(", steps {first} to {last}", first=f"{attempt.start_step or 0:,}", last=f"{attempt.end_step:,}")
        then = since(record, attempt)
        lines.append([Span(title, Tone.TITLE), Span(f" · {told(then, english(then))}" if then else "", Tone.MUTED)])
        lines += diagnosed_lines(record, attempt, width, MOST_LINES)
        lines += [[Span(f"  {one.file} @ {one.offset:,}", Tone.MUTED)] for one in attempt.diagnosis.evidence]
    return lines


def _no_failure(record: RunRecord) -> list[str]:
    """What is said of a run without an attempt that failed; why it waits or never began stands above."""
    if record.has_begun:
        return [tr("No attempt of this run has failed.")]
    if record.state.is_final:
        return [tr("It never began: no attempt was made."), tr("r starts it all the same, whatever it was to follow")]
    return [tr("It has not begun yet.")]
