"""Small horizontal bars and gauges as spans. Pure."""

from vlatui.look.tones import Span, Tone


def progress_bar(part: float | None, width: int, tone: Tone = Tone.ACCENT) -> list[Span]:
    """A line of `width` cells filled to `part` (0 to 1), exact to half a cell; empty where nothing is known."""
    halves = round((part or 0.0) * width * 2)
    full, half = divmod(min(halves, width * 2), 2)
    rest = width - full - half
    spans = [Span("━" * full + "╸" * half, tone), Span("─" * rest, Tone.FAINT)]
    return [span for span in spans if span.text]


def gauge(filled: int, of: int, tone: Tone, most: int = 10) -> list[Span]:
    """`filled` of `of` squares; numbers alone where there would be too many."""
    if not 0 < of <= most:
        return []
    filled = min(filled, of)
    return [Span("■" * filled, tone), Span("□" * (of - filled), Tone.FAINT)]


HEAT = "▁▂▃▄▅▆▇█"


def heat(rate: float) -> Span:
    """One cell for a success rate in percent: height and colour say the same."""
    tone = Tone.GOOD if rate >= 80 else Tone.WARN if rate >= 40 else Tone.BAD
    return Span(HEAT[min(7, int(rate / 100 * 8))], tone)
