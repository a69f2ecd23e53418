"""Ended parts of a run are folded below it: counted, reachable by a key, found by the filter, never in the way."""

import pytest
from dashboards import SIZE, Make, headings, run_rows, until_read
from fake_runs import FakeRun, training_run
from screen_text import until, until_shown
from textual.app import App
from vlad.records.run import Moved, State
from vlad.records.rundir import Home
from vlatui.widgets.run_table import RunTable

PARTS = [f"20261122-10{minute:02d}-eval-step{minute}-0000" for minute in range(12)]


@pytest.fixture
def whole(home: Home) -> str:
    """A live training with twelve ended evaluations, above a run that ended before."""
    home.prepare()
    FakeRun(home, "20261101-0900-other-0000", age_s=9000).succeed()
    run = training_run(home).directory
    for run_id in PARTS:
        FakeRun(home, run_id, age_s=100, part_of=run.run_id).succeed()
    return run.run_id


def names(app: App[None]) -> list[str]:
    return ["".join(span.text for span in row.cells["name"]) for row in run_rows(app)]


async def test_parts_are_counted_beside_their_run_until_a_key_lists_them(dashboard: Make, whole: str) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "▸12", "ended parts 12", "1 succeeded")
        folded = names(app)
        assert len(folded) == 2
        await pilot.press("right")
        await until(pilot, lambda: len(names(app)) == 14)
        assert names(app)[1:13] == [f"└ eval-step{number}" for number in reversed(range(12))]
        await until_shown(pilot, "▾12")
        assert [heading.rstrip("─ ") for heading in headings(app)] == ["Live 1", "Ended 1"]
        await pilot.press("left")
        await until(pilot, lambda: names(app) == folded)


async def test_left_on_a_part_folds_its_run_and_goes_there(dashboard: Make, whole: str) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "▸12")
        await pilot.press("l")
        await until(pilot, lambda: len(names(app)) == 14)
        await pilot.press("j", "j", "h")
        await until(pilot, lambda: len(names(app)) == 2)
        assert app.screen.query_one(RunTable).cursor_key == whole


async def test_a_part_that_ends_under_the_cursor_stays_listed_until_the_cursor_leaves_it(
    dashboard: Make, home: Home, whole: str
) -> None:
    live = FakeRun(home, "20261122-1100-eval-now-0000", age_s=10, part_of=whole)
    for state in (State.STARTING, State.RUNNING):
        live.event(Moved, state=state)
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "└ eval-now")
        table = app.screen.query_one(RunTable)
        table.move_cursor_to(live.directory.run_id)
        await until_shown(pilot, "eval-now of tabletop")
        live.event(Moved, state=State.SUCCEEDED)
        live.end()
        await until_shown(pilot, "▸13")
        assert table.cursor_key == live.directory.run_id
        await pilot.press("home")
        await until(pilot, lambda: table.cursor_key == whole)
        await until(pilot, lambda: len(names(app)) == 2)


async def test_the_filter_finds_folded_parts_and_only_by_their_own_words(dashboard: Make, whole: str) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "▸12")
        await pilot.press("slash", *"step7", "enter")
        await until(pilot, lambda: names(app) == ["eval-step7 of tabletop_demo"])
        await pilot.press("escape", "slash", *"tabletop", "enter")
        await until(pilot, lambda: len(names(app)) == 1 and names(app)[0].endswith("▸12"))
        await pilot.press("right")
        await until(pilot, lambda: len(names(app)) == 13)
        await pilot.press("escape")
        await until(pilot, lambda: len(names(app)) == 14)


async def test_a_long_name_is_cut_before_the_count_of_its_parts(dashboard: Make, home: Home) -> None:
    home.prepare()
    run_id = f"20261122-0800-{'long' * 15}-0000"
    FakeRun(home, run_id, age_s=100).succeed()
    FakeRun(home, PARTS[0], age_s=50, part_of=run_id).succeed()
    app = dashboard()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until_shown(pilot, "longlon", "… ▸1 ")


async def test_where_there_are_no_parts_the_keys_do_nothing(dashboard: Make, runs: object) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        before = names(app)
        await pilot.press("right", "left", "j", "right", "left", "k")
        await pilot.pause()
        assert names(app) == before


async def test_a_part_that_is_named_at_the_start_is_listed_below_its_run(dashboard: Make, whole: str) -> None:
    app = dashboard(wanted=PARTS[3])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: app.screen.query_one(RunTable).cursor_key == PARTS[3])
        assert names(app)[1] == "└ eval-step3"
