"""Pages of text: drawn for the width that they have, also when that changes."""

from dashboards import Make, Runs, until_read
from screen_text import until_shown
from vlatui.look.tones import Line, Span
from vlatui.screens.text import TextScreen


def ruled(width: int) -> list[Line]:
    return [[Span(f"{width} wide")], [Span("x" * (width - 3) + "end")], [Span("word " * 16 + "last")]]


async def test_a_page_is_drawn_anew_for_every_width_and_nothing_is_cut(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await until_read(pilot)
        app.push_screen(TextScreen("t", ruled))
        await until_shown(pilot, "84 wide", "xend", "last")
        await pilot.resize_terminal(60, 30)
        await until_shown(pilot, "48 wide", "xend", "last")
