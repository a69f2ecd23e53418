"""Runs side by side."""

from collections.abc import Callable

import pytest
from screen_text import until, until_shown
from vlad.records.rundir import RunDirectory
from vlatui.app import VlatuiApp
from vlatui.reading.detail import DetailReader, RunDetail
from vlatui.screens.compare import CompareScreen
from vlatui.telling.comparison import Compared, difference_rows, metrics_of_all, overlay, told_apart, tone_of

Runs = dict[str, RunDirectory]


def compared(run: RunDirectory, name: str) -> Compared:
    detail = DetailReader(run).read()
    assert detail is not None
    return Compared(name, detail)


def test_only_what_differs_is_listed(runs: Runs) -> None:
    rows = difference_rows([compared(runs["training"], "one"), compared(runs["failed"], "two")])
    told = {row.key: [row.cells[number][0].text for number in ("0", "1")] for row in rows}
    assert told["best success"] == ["84% of 50 at 300", "-"]
    assert told["dataset_name"] == ["tabletop_demo", "libero_object"]
    assert "batch_size" not in told


@pytest.mark.parametrize("metric", ["success", "loss"])
def test_every_run_is_drawn_in_its_own_colour(runs: Runs, metric: str) -> None:
    both = [compared(runs["training"], "one"), compared(runs["evaluating"], "two")]
    tones = {span.tone for row in overlay(both, metric, 0.6, 80, 20) for span in row}
    assert {tone_of(0), tone_of(1)} <= tones


def test_runs_without_numbers_draw_nothing() -> None:
    nothing = [Compared("one", RunDetail("a")), Compared("two", RunDetail("b"))]
    assert metrics_of_all(nothing) == ["success"]
    assert overlay(nothing, "success", 0.0, 80, 20) == []
    assert len(difference_rows(nothing)) == 2


async def test_x_compares_the_marked_runs(dashboard: Callable[..., VlatuiApp], runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3 live", "step 315 loss")
        await pilot.press("space", "down", "down", "space", "x")
        await until_shown(pilot, "success", "━━ tabletop_demo", "━━ libero_object", "84% of 50 at 300", "dataset_name")
        await pilot.press("right_square_bracket")
        await until_shown(pilot, "loss")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CompareScreen))


async def test_one_run_is_nothing_to_compare(dashboard: Callable[..., VlatuiApp], runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until_shown(pilot, "3 live", "step 315 loss")
        await pilot.press("x")
        await until(pilot, lambda: any("mark two runs" in notice.message for notice in app._notifications))


def test_runs_of_one_name_are_told_apart_by_their_ids() -> None:
    runs = [
        ("demo", "20261122-0931-demo-7f3a"),
        ("demo", "20261121-0931-demo-beef"),
        ("goal", "20261122-0700-goal-c0de"),
    ]
    assert told_apart(runs) == ["demo 7f3a", "demo beef", "goal"]
