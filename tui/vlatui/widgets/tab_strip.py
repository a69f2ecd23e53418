"""One line of tab names; the digit before each is its key."""

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.strip import Strip

from vlatui.look.painting import Painted
from vlatui.look.tones import Line, Span, Tone, width_of
from vlatui.look.words import tr


class TabStrip(Painted):
    """Names of tabs, the active one lit."""

    class Clicked(Message):
        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, tabs: Sequence[tuple[str, str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tabs = tuple(tabs)
        self._active = self._tabs[0][0]
        self._badges: dict[str, str] = {}

    def show(self, active: str, badges: dict[str, str]) -> None:
        """Lights up a tab; a badge is a short text after a tab's name."""
        if (active, badges) != (self._active, self._badges):
            self._active, self._badges = active, badges
            self.refresh()

    def _parts(self) -> list[tuple[str, Line]]:
        """Each tab's spans; without names of the inactive ones where there is no room."""
        full = [(key, self._tab(number, key, tr(name))) for number, (key, name) in enumerate(self._tabs, 1)]
        if sum(width_of(spans) for _, spans in full) <= self.size.width:
            return full
        return [
            (key, self._tab(number, key, tr(name) if key == self._active else tr(name)[:3]))
            for number, (key, name) in enumerate(self._tabs, 1)
        ]

    def _tab(self, number: int, key: str, name: str) -> Line:
        is_active = key == self._active
        badge = self._badges.get(key, "")
        return [
            Span(f" {number} ", Tone.ACCENT if is_active else Tone.FAINT),
            Span(name, Tone.TITLE if is_active else Tone.MUTED),
            Span(f" {badge}" if badge else "", Tone.ACCENT if is_active else Tone.FAINT),
            Span(" "),
        ]

    def render_line(self, y: int) -> Strip:
        return self.painted([span for _, spans in self._parts() for span in spans], self.size.width)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        at = 0
        for key, spans in self._parts():
            at += width_of(spans)
            if offset is not None and offset.x < at:
                self.post_message(self.Clicked(key))
                return
