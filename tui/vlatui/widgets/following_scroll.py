"""Scrolling that follows the end of its content until somebody scrolls away from it."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from vlatui.look.painting import PaintedScroll

WHEEL_LINES = 3


class FollowingScroll(PaintedScroll):
    """Its subclass says how many lines there are, and lays itself out anew in `resized`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_by(0, -1)", "Up", show=False),
        Binding("down,j", "scroll_by(0, 1)", "Down", show=False),
        Binding("pageup,ctrl+u,b", "scroll_pages(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+d", "scroll_pages(1)", "Page down", show=False),
        Binding("home,g", "go_to_start", "First line", show=False),
        Binding("end,G", "follow_end", "Last line, and follow", show=False),
        Binding("left,h", "scroll_by(-4, 0)", "Left", show=False),
        Binding("right,l", "scroll_by(4, 0)", "Right", show=False),
    ]
    follows: reactive[bool] = reactive(True)
    wraps: reactive[bool] = reactive(False)

    _moves_itself = False

    @property
    def line_count(self) -> int:
        """Lines that can be scrolled through now."""
        raise NotImplementedError

    def resized(self) -> None:
        """The size, the number of lines or a switch changed."""
        raise NotImplementedError

    def set_extent(self, width: int, height: int) -> None:
        """How much can be scrolled through. Only the scroll bar is told: a layout of the screen costs far more."""
        self.set_reactive(Widget.virtual_size, Size(width, height))
        if self.is_mounted:
            self.vertical_scrollbar.window_virtual_size = height

    def to_end(self) -> None:
        self.scroll_itself(self.line_count)

    def scroll_itself(self, y: int) -> None:
        """Moves without taking it for somebody's wish."""
        self._moves_itself = True
        try:
            self.scroll_to(y=y, animate=False, force=True)
        finally:
            self._moves_itself = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling away from the end stops following; coming back to it by hand follows again."""
        super().watch_scroll_y(old_value, new_value)
        if self._moves_itself or round(old_value) == round(new_value):
            return
        if new_value < old_value and round(new_value) < self.max_scroll_y:
            self.follows = False
        elif new_value > old_value and not self.wraps and self.is_vertical_scroll_end:
            self.call_later(self._follow_at_end)

    def _follow_at_end(self) -> None:
        """Follows, unless somebody has moved on meanwhile."""
        if self.is_vertical_scroll_end:
            self.action_follow_end()

    def action_scroll_by(self, across: int, down: int) -> None:
        """Moves at once: an animated move could be overtaken by following."""
        self.scroll_relative(x=across, y=down, animate=False)

    def action_scroll_pages(self, pages: int) -> None:
        self.action_scroll_by(0, pages * max(1, self.size.height - 1))

    def action_go_to_start(self) -> None:
        if self.wraps:
            self.follows = False
        self.scroll_to(y=0, animate=False)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.prevent_default().stop()
        self.action_scroll_by(0, -WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.prevent_default().stop()
        self.action_scroll_by(0, WHEEL_LINES)

    def watch_follows(self, follows: bool) -> None:
        if self.is_mounted:
            self.resized()

    def watch_wraps(self) -> None:
        if self.is_mounted:
            self.resized()

    def action_follow_end(self) -> None:
        self.follows = True
        self.to_end()
