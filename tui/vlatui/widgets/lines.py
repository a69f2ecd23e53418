"""A few lines of painted text that repaint only where they changed."""

from collections.abc import Sequence

from textual.geometry import Region, Size
from textual.strip import Strip

from vlatui.look.painting import Painted
from vlatui.look.tones import Line, width_of


class Lines(Painted):
    """As high as the lines it shows."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()

    @property
    def text(self) -> str:
        """What is shown, without tones."""
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    def show_lines(self, lines: Sequence[Line]) -> None:
        before, self._lines = self._lines, tuple(lines)
        if len(before) != len(self._lines):
            # an explicit height: one found by measuring is cached and can miss a change between two layouts
            self.styles.height = len(self._lines)
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, self._lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return max((width_of(line) for line in self._lines), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.base_style)
        return self.painted(self._lines[y], self.size.width)
