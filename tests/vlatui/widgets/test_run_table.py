"""The table of runs of several hosts."""

from functools import partial

import pytest
from dashboards import Make, Runs, until_read
from fake_runs import NOW
from screen_text import until
from vlatui.widgets.run_table import RunTable

CONNECTING = (("gpubox", "connecting…"),)
REFUSED = (("gpubox", "ada@gpubox: Connection refused"),)


@pytest.mark.parametrize(
    ("unreadable", "stays"), [(CONNECTING, False), (REFUSED, True)], ids=["connecting", "not reached"]
)
async def test_the_cursor_stays_on_a_host_that_says_why_it_is_not_reached_and_leaves_one_that_connects(
    dashboard: Make, runs: Runs, unreadable: tuple[tuple[str, str], ...], stays: bool
) -> None:
    app = dashboard()
    async with app.run_test(size=(120, 30)) as pilot:
        await until_read(pilot)
        table, found = app.screen_of_runs.query_one(RunTable), app.screen_of_runs.view.runs
        show = partial(table.show, foreign=(), now=NOW, when_empty=(), has_headings=False)
        show([], unreadable)
        assert table.cursor_key == "gpubox"
        show(found, unreadable)
        assert table.cursor_key == ("gpubox" if stays else found[0].run_id)
        await until(pilot, lambda: len(table.rows) >= len(found), "the rows are painted")
