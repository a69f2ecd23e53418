"""What is said below the form for a new run: the command, what vlad objects to, what it will take. Pure."""

import textwrap

from vlad.records import figures

from vlatui.asking.checking import Check, Foretold
from vlatui.asking.line_completing import Completion
from vlatui.look.tones import Line, Span, Tone, broken_text, cut
from vlatui.look.words import tr

GB = 1e9
MOST_WARNINGS = 2
MOST_LINES = 3
MOST_CANDIDATE_LINES = 2


def command_lines(command: str, width: int) -> list[Line]:
    """The exact command, wrapped at its words."""
    wrapped = textwrap.wrap(command, max(8, width - 2), break_on_hyphens=False) or [""]
    return [[Span("$ " if number == 0 else "  ", Tone.ACCENT), Span(text)] for number, text in enumerate(wrapped)]


def candidate_lines(completion: Completion, width: int) -> list[Line]:
    """What could be typed next: a hint, and as many candidates as one line has room for."""
    lines: list[Line] = [[Span(cut(completion.hint, width), Tone.INFO)]] if completion.hint else []
    if completion.word or completion.hint.startswith("--"):
        offered = broken_text(" · ".join(completion.candidates), width)
        lines += [[Span(line, Tone.MUTED)] for line in offered[:MOST_CANDIDATE_LINES]]
    return lines


def check_lines(check: Check | None, hint: str, width: int) -> list[Line]:
    """What vlad says of the form; None while it is being asked."""
    lines: list[Line] = [[Span(hint, Tone.INFO)]] if hint else []
    if check is None:
        return [*lines, [Span(tr("checking…"), Tone.MUTED)]]
    if check.refusal:
        return [*lines, *wrapped("✗ ", check.refusal, Tone.BAD, width)]
    if check.resolved is not None:
        name = check.resolved.run_name
        name = tr("would be {run}", run=name) if name else tr("can be started")
        lines += wrapped("✓ ", name, Tone.GOOD, width) if check.is_verified else wrapped("  ", name, Tone.MUTED, width)
        for warning in check.resolved.warnings[:MOST_WARNINGS]:
            lines += wrapped("! ", warning, Tone.WARN, width)
    elif check.is_verified:
        lines += wrapped("✓ ", tr("can be started"), Tone.GOOD, width)
    if not check.is_verified:
        lines.append([Span(tr("checking…"), Tone.MUTED)])
    if check.foretold is not None:
        lines += _foretold(check.foretold, width)
    elif check.no_plan:
        lines += wrapped("  ", check.no_plan, Tone.MUTED, width)
    return lines


def _foretold(plan: Foretold, width: int) -> list[Line]:
    spare = (plan.memory_bytes - plan.total_bytes) / GB
    of = tr(
        "{needed} of {memory} GB on {count} x {card}",
        needed=f"{plan.total_bytes / GB:.1f}",
        memory=f"{plan.memory_bytes / GB:.1f}",
        count=plan.nproc,
        card=plan.card,
    )
    verdict = tr(
        "fits, {size} GB to spare" if plan.fits else "does not fit, {size} GB too much", size=f"{abs(spare):.1f}"
    )
    has_pace = plan.step_s is not None and plan.step_s >= 1
    pace = f" · {tr('about {time} a step', time=figures.duration(plan.step_s))}" if has_pace else ""
    told = f"{of}: {verdict}{pace}"
    lines = wrapped("✓ " if plan.fits else "✗ ", told, Tone.GOOD if plan.fits else Tone.BAD, width)
    if not plan.fits and plan.remedies:
        lines += wrapped(
            "→ ", tr("would fit with {changes}", changes=" ".join(plan.remedies[0].changes)), Tone.ACCENT, width
        )
    if plan.assumed:
        lines += wrapped("  ", plan.assumed, Tone.MUTED, width)
    return lines


def wrapped(mark: str, text: str, tone: Tone, width: int) -> list[Line]:
    """The text behind its mark, in a few lines."""
    texts = broken_text(text, max(8, width - len(mark)))[:MOST_LINES] or [""]
    return [[Span(mark if number == 0 else " " * len(mark), tone), Span(one, tone)] for number, one in enumerate(texts)]
