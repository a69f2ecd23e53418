"""A new run on one line, as on the command line: completion, and the lines that were started before."""

import shlex
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from vlatui.asking.line_completing import Completion, LineSuggester, StartWords, completed_line
from vlatui.widgets.field import Field


class StartLine(Field):
    """Tab completes; up and down go through the history, which keeps what was being typed as its newest line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
        Binding("up", "history(-1)", "Older line", show=False),
        Binding("down", "history(1)", "Newer line", show=False),
    ]

    def __init__(self, history: Sequence[str], *, placeholder: str, id: str | None = None) -> None:
        """`history`: oldest first."""
        self._suggestions = LineSuggester()
        super().__init__(
            placeholder=placeholder, id=id, compact=True, suggester=self._suggestions, select_on_focus=False
        )
        self._history = list(history)
        self._at = len(self._history)
        self._typed = ""

    def know(self, words: StartWords | None = None, fields: Sequence[str] | None = None) -> None:
        """Completes with these from now on."""
        if words is not None:
            self._suggestions.words = words
        if fields is not None:
            self._suggestions.fields = tuple(fields)

    @property
    def words(self) -> StartWords:
        return self._suggestions.words

    @property
    def completion(self) -> Completion:
        """What could stand at the end of the line."""
        return self._suggestions.completion(self.value)

    def show(self, line: str) -> None:
        """With the cursor at its end, which is scrolled into view."""
        self.value = line
        self.cursor_position = 0
        self.cursor_position = len(line)

    def action_complete(self) -> None:
        """As far as all candidates agree; the only one whole, with a space behind it."""
        found = self.completion
        if len(found.candidates) == 1:
            only = found.candidates[0]
            self.show(completed_line(self.value, only, found.word) + ("" if only.endswith("=") else " "))
        elif len(found.common) > len(found.word):
            self.show(self.value[: len(self.value) - len(found.word)] + found.common)

    def action_history(self, by: int) -> None:
        if self._at == len(self._history):
            self._typed = self.value
        self._at = max(0, min(len(self._history), self._at + by))
        self.show(self._typed if self._at == len(self._history) else self._history[self._at])

    def choose_adapter(self, path: str) -> None:
        """Puts it behind a --resume that is being typed, else at the end."""
        line = self.value.rstrip()
        has_option = line.endswith("--resume")
        self.show(f"{line}{'' if has_option else ' --resume'} {shlex.quote(path)} ".lstrip())
