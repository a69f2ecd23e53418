"""Pages of text over the dashboard: the keys, and why a run ended."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen

from vlatui.look.painting import literal
from vlatui.look.tones import Line, Span, Tone, broken_line
from vlatui.look.words import tr
from vlatui.widgets.lines import Lines

Draw = Callable[[int], Sequence[Line]]
"""The lines of a page that is so many cells wide."""


class Page(Lines):
    """Lines drawn for the width that there is; what is longer all the same goes on below."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(id="page")
        self._draw = draw

    def on_resize(self, event: events.Resize) -> None:
        width = event.size.width
        if width:
            self.show_lines([part for line in self._draw(width) for part in broken_line(line, width)])


class TextScreen(ModalScreen[None]):
    """A titled page that scrolls; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,w", "dismiss", "Close"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, title: str, draw: Draw) -> None:
        super().__init__()
        self._title = title
        self._draw = draw

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = literal(self._title)
            dialog.border_subtitle = tr("escape closes")
            with VerticalScroll():
                yield Page(self._draw)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


def key_lines(groups: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> list[Line]:
    """Groups of (keys, what they do) as aligned lines."""
    lines: list[Line] = []
    for title, keys in groups:
        if lines:
            lines.append([])
        lines.append([Span(title, Tone.TITLE)])
        lines += [[Span(f"  {key:<16}", Tone.ACCENT), Span(description)] for key, description in keys]
    return lines
