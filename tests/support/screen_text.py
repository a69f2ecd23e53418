"""What a screen says, as text; and waiting until it does."""

from collections.abc import Callable

from patience import Patience
from textual._context import visible_screen_stack
from textual.app import App
from textual.pilot import Pilot
from textual.widget import Widget


def screen_text(app: App[None]) -> str:
    """The characters on screen, row by row."""
    visible_screen_stack.set(app._background_screens)  # what a dialog lies over, as when Textual paints by itself
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def widget_text(widget: Widget) -> str:
    """The characters that a line-API widget paints."""
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


async def until(pilot: Pilot[None], condition: Callable[[], object], what: str = "") -> None:
    """Lets the app run until `condition` holds; fails with what the screen shows when it never does."""
    patience = Patience(lambda: f"{what}\n{screen_text(pilot.app)}")
    while not condition():
        patience.spend()
        await pilot.pause(0.01)


async def until_shown(pilot: Pilot[None], *texts: str) -> None:
    """Lets the app run until the screen shows every one of `texts`."""
    await until(pilot, lambda: all(text in screen_text(pilot.app) for text in texts), f"shown {texts}")
