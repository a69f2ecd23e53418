"""A question before something that cannot be taken back; it says what will be lost."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from vlatui.look.tones import Line, Span, Tone, broken_text
from vlatui.look.words import tr
from vlatui.widgets.lines import Lines


class ConfirmScreen(ModalScreen[bool]):
    """Answers True on y alone, False on n or escape: what was typed for a prompt ends with enter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, title: str, consequences: list[str], *, yes: str) -> None:
        super().__init__()
        self._title = title
        self._consequences = consequences
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Lines(id="question")

    def on_mount(self) -> None:
        lines: list[Line] = [[Span(self._title, Tone.TITLE)], []]
        width = max(20, min(64, self.app.size.width - 10))
        lines += [[Span(line)] for text in self._consequences for line in broken_text(text, width)]
        keys = [
            Span("y ", Tone.ACCENT),
            Span(tr(self._yes)),
            Span("     n ", Tone.ACCENT),
            Span(tr("leave it as it is")),
        ]
        self.query_one(Lines).show_lines([*lines, [], keys])

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
