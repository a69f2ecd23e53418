"""The Metrics tab under the fingers."""

import pytest
from dashboards import SIZE, Make, Runs, until_read
from fake_runs import NOW, falling_loss, training_run
from screen_text import until, until_shown
from textual.pilot import Pilot
from vlad.records.progress import Step
from vlad.records.rundir import Home
from vlatui.widgets.metrics import CurveChart, nearest


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


async def open_metrics(pilot: Pilot[None]) -> CurveChart:
    """The loss of the training run fills the tab, which has the focus."""
    await until_read(pilot)
    await pilot.press("3", "enter")
    await until_shown(pilot, "whole run")
    return pilot.app.screen.query_one(CurveChart)


async def test_each_key_does_what_it_says(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_metrics(pilot)
        for key, shown in (
            ("o", "smoothing 0.9"),
            ("L", "log scale"),
            ("x", "over time"),
            ("h", "s): "),
            ("plus", "zoomed"),
            ("escape", "whole run"),
            ("x", "over steps"),
            ("L", "linear"),
            ("right_square_bracket", "▸ learning rate"),
            ("left_square_bracket", "▸ loss"),
        ):
            await pilot.press(key)
            await until_shown(pilot, shown)


async def test_the_cursor_reads_the_nearest_value(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        chart = await open_metrics(pilot)
        await pilot.press(*["h"] * 20)
        await until(pilot, lambda: chart.view.cursor is not None and abs(chart.view.cursor - 158) < 1)
        assert chart.view.cursor is not None
        step = round(chart.view.cursor)
        await until_shown(pilot, f"step {step}: {falling_loss(step):.4g}"[:14])


async def test_a_log_scale_without_a_positive_value_says_so(dashboard: Make, home: Home) -> None:
    home.prepare()
    run = training_run(home)
    run.progress(*(Step(at=NOW, attempt=1, step=step, loss=-0.5) for step in range(316, 320)))
    run.progress(*(Step(at=NOW, attempt=1, step=step, loss=-0.5, metrics={"β": -1.0}) for step in range(320, 330)))
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live")
        await pilot.press("3", "enter")
        await until_shown(pilot, "whole run", "β")
        await pilot.press("left_square_bracket")
        await until_shown(pilot, "▸ β")
        await pilot.press("L")
        await until_shown(pilot, "No value here is above zero.", "L goes back to the linear scale")


async def test_many_metrics_leave_room_for_the_curve(dashboard: Make, home: Home) -> None:
    home.prepare()
    metrics = {f"method/number_{number}": float(number) for number in range(60)}
    training_run(home).progress(*(Step(at=NOW, attempt=1, step=step, metrics=metrics) for step in range(316, 319)))
    app = dashboard()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until_shown(pilot, "1 live")
        await pilot.press("3", "enter")
        await until_shown(pilot, "smoothing 0.6", "method/number_1")
        chart = app.screen.query_one(CurveChart)
        assert chart.size.height >= 5
        await pilot.press("left_square_bracket")
        await until_shown(pilot, "▸ method/number_59")


@pytest.mark.parametrize(("wanted", "index"), [(-5, 0), (0, 0), (14, 1), (15.1, 2), (99, 2)])
def test_the_nearest_place_is_found(wanted: float, index: int) -> None:
    assert nearest([0.0, 10.0, 20.0], wanted) == index
