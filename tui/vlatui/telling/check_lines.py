"""What is said below the form for a new run: the command, what vlad objects to, what it will take. Pure."""

import textwrap

from vlad.records import figures

from vlatui.asking.checking import Check, Foretold
from vlatui.look.tones import Line, Span, Tone

GB = 1e9
MOST_WARNINGS = 2


def command_lines(command: str, width: int) -> list[Line]:
    """The exact command, wrapped at its words."""
    wrapped = textwrap.wrap(command, max(8, width - 2), break_on_hyphens=False) or [""]
    return [[Span("$ " if number == 0 else "  ", Tone.ACCENT), Span(text)] for number, text in enumerate(wrapped)]


def check_lines(check: Check | None, hint: str, width: int) -> list[Line]:
    """What vlad says of the form; None while it is being asked."""
    lines: list[Line] = [[Span(hint, Tone.INFO)]] if hint else []
    if check is None:
        return [*lines, [Span("checking…", Tone.MUTED)]]
    if check.refusal:
        return [*lines, *_wrapped("✗ ", check.refusal, Tone.BAD, width)]
    if check.resolved is not None:
        name = f"would be {check.resolved.run_name}" if check.resolved.run_name else "can be started"
        lines += _wrapped("✓ ", name, Tone.GOOD, width)
        for warning in check.resolved.warnings[:MOST_WARNINGS]:
            lines += _wrapped("! ", warning, Tone.WARN, width)
    if check.foretold is not None:
        lines += _foretold(check.foretold, width)
    elif check.no_plan:
        lines += _wrapped("  ", check.no_plan, Tone.MUTED, width)
    return lines


def _foretold(plan: Foretold, width: int) -> list[Line]:
    spare = (plan.memory_bytes - plan.total_bytes) / GB
    of = f"{plan.total_bytes / GB:.1f} of {plan.memory_bytes / GB:.1f} GB on {plan.nproc} x {plan.card}"
    verdict = f"fits, {spare:.1f} GB to spare" if plan.fits else f"does not fit, {-spare:.1f} GB too much"
    pace = f" · about {figures.duration(plan.step_s)} a step" if plan.step_s and plan.step_s >= 1 else ""
    lines = _wrapped("✓ " if plan.fits else "✗ ", f"{of}: {verdict}{pace}", Tone.GOOD if plan.fits else Tone.BAD, width)
    if not plan.fits and plan.remedies:
        lines += _wrapped("→ ", f"would fit with {' '.join(plan.remedies[0].changes)}", Tone.ACCENT, width)
    if plan.assumed:
        lines += _wrapped("  ", plan.assumed, Tone.MUTED, width)
    return lines


def _wrapped(mark: str, text: str, tone: Tone, width: int) -> list[Line]:
    wrapped = textwrap.wrap(text, max(8, width - len(mark)), max_lines=3, placeholder="…") or [""]
    return [
        [Span(mark if number == 0 else " " * len(mark), tone), Span(one, tone)] for number, one in enumerate(wrapped)
    ]
