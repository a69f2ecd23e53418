"""Titles of pages and lists: names that come from elsewhere stand there as they are, and do nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from dashboards import Make, Runs, until_read
from screen_text import until_shown
from textual.screen import ModalScreen
from vlatui.screens.adapters import AdapterScreen
from vlatui.screens.run_choice import RunChoiceScreen
from vlatui.screens.text import TextScreen

HOSTILE = "[/red]x[@click=app.quit]y\x1b[31m"
AS_IT_STANDS = "[/red]x[@click=app.quit]y"
PAGES: dict[str, Callable[[], ModalScreen[Any]]] = {
    "text": lambda: TextScreen(HOSTILE, lambda _: []),
    "adapters": lambda: AdapterScreen(HOSTILE, tuple, lambda: 0.0),
    "runs": lambda: RunChoiceScreen(HOSTILE, [], 0.0),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
async def test_a_title_is_never_read_as_markup(
    dashboard: Make, runs: Runs, page: Callable[[], ModalScreen[Any]]
) -> None:
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await until_read(pilot)
        app.push_screen(page())
        await until_shown(pilot, AS_IT_STANDS)
