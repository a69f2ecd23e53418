"""How spans become strips of a widget in the colours of the present theme."""

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from vlatui.look.tones import Span, Tone, fitted, safe


def literal(text: str) -> Content:
    """A text for where Textual would read markup: names come from other hosts too."""
    return Content(safe(text))


def tone_style(widget: Widget, tone: Tone) -> Style:
    """The tone's style, without a background unless the tone has one; none in an application without tones."""
    tones: Mapping[Tone, Style] = getattr(widget.app, "tones", {})
    return tones.get(tone) or Style.null()


def painted(widget: Widget, spans: Sequence[Span], width: int, base: Style, over: Style | None = None) -> Strip:
    """Spans as a strip of `width` cells on the `base` colours; `over` is laid over the whole line."""
    safe_spans = [Span(safe(text), tone) for text, tone in spans]
    segments = [Segment(text, tone_style(widget, tone)) for text, tone in fitted(safe_spans, width) if text]
    strip = Strip(segments, width).apply_style(base)
    if over is not None:
        strip = Strip([Segment(text, (style or Style.null()) + over) for text, style, _ in strip], width)
    return strip.simplify()


class Painted(Widget):
    """A widget that paints spans."""

    _base: Style | None = None

    @property
    def base_style(self) -> Style:
        """The widget's own colours; found anew only when a style changed, since finding them walks the whole tree."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def notify_style_update(self) -> None:
        self._base = None
        super().notify_style_update()

    def painted(self, spans: Sequence[Span], width: int, over: Style | None = None) -> Strip:
        return painted(self, spans, width, self.base_style, over)


class PaintedScroll(ScrollView, Painted):
    """The same for a widget that scrolls."""

    def tone(self, tone: Tone) -> Style:
        return tone_style(self, tone)
