"""Keys one after another: each finds the focus where the one before it has moved it."""

from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic

from textual import events
from textual.app import App
from textual.dom import DOMNode

LONGEST_S = 5.0
MOVING = frozenset({"up", "down", "left", "right", "pageup", "pagedown", "j", "k", "ctrl+d", "ctrl+u", "backspace"})
"""Keys that move no focus: held down they come faster than some terminals are painted, and one need not wait for
another of its kind."""


class KeysInOrder(App[None]):
    """An application that answers a key before it looks at the next.

    Textual hands every key on at once to what has the focus, while the focus moves later. Keys that arrive together, as
    over a slow connection, would then go where nobody meant them: of `/stop` typed into the filter, `s` would ask to
    stop the run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key] = deque()
        self._busy_since: float | None = None
        self._answering = ""

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key):
            await super().on_event(event)
            return
        if not self.screen_stack:
            return  # it is being quit
        if event.is_forwarded:
            await super().on_event(event)
            return
        is_held_down = event.key == self._answering and event.key in MOVING
        if is_held_down and self._busy_since is not None and not self._typed:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._busy_since is None or monotonic() - self._busy_since > LONGEST_S:
            await self._answer_next()

    async def _answer_next(self) -> None:
        self._busy_since = monotonic() if self._typed else None
        if not self._typed or not self.screen_stack:
            return
        target, event = self.focused or self.screen, self._typed.popleft()
        self._answering = event.key
        await super().on_event(event)
        self._after_all(target, lambda: self._after_all(self.focused or self.screen, self._answer_next))

    def _after_all(self, node: DOMNode, then: Callable[[], object]) -> None:
        """Calls `then` when `node`, and what it lies in, have handled what they have been told so far.

        Twice for a key: it goes from the focus up to its binding, and what the binding does may take the same way.
        """
        path = [one for one in node.ancestors_with_self if one is not self]
        self._hop([*path, self], then)

    def _hop(self, path: list[DOMNode], then: Callable[[], object]) -> None:
        here, *rest = path
        onward = partial(self._hop, rest, then) if rest else then
        if not here.call_later(onward) and rest:
            self._hop(rest, then)
