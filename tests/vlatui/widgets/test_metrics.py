"""The Metrics tab under the fingers."""

from dashboards import SIZE, Make, Runs, until_read
from screen_text import until, until_shown
from vlatui.widgets.metrics import CurveChart


async def test_what_is_zoomed_into_is_panned_within_the_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("3", "enter")
        await until_shown(pilot, "whole run")
        chart = app.screen.query_one(CurveChart)
        await pilot.press("less_than_sign")
        assert chart.view.xs is None, "there is nothing to pan while the whole run is shown"
        await pilot.press("plus")
        await until_shown(pilot, "zoomed")
        once = chart.view.xs
        await pilot.press("plus")
        await until(pilot, lambda: chart.view.xs != once)
        assert chart.view.xs is not None
        low, high = chart.view.xs
        await pilot.press("less_than_sign")
        await until(pilot, lambda: chart.view.xs == (low - (high - low) / 4, high - (high - low) / 4))
        await pilot.press("greater_than_sign", "greater_than_sign", "greater_than_sign")
        await until(pilot, lambda: chart.view.xs == (low, high), "it stops at the end of the run")
        await pilot.press("escape")
        await until_shown(pilot, "whole run")
