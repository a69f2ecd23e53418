"""The Log tab: searched, filtered, gone to."""

import time
from collections.abc import Callable

import pytest
from fake_runs import NOW, FakeRun, training_run
from logs import ask, numbered_run, open_log, view_of
from screen_text import screen_text, until, until_shown, widget_text
from vlad.records.rundir import Home
from vlatui.app import VlatuiApp
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.run_table import RunTable

Make = Callable[..., VlatuiApp]
SIZE = (100, 30)


@pytest.fixture
def run(home: Home) -> FakeRun:
    """As of `numbered_run`."""
    return numbered_run(home)


async def test_search_goes_backwards_from_the_end_and_counts(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "warn line")
        await until_shown(pilot, "match 10 of 10", "WARN line 1000", "n Next match")
        await pilot.press("N")
        await until_shown(pilot, "match 9 of 10", "WARN line 900")
        await pilot.press("n", "n")
        await until_shown(pilot, "match 1 of 10", "WARN line 100")
        await pilot.press("escape")
        await until(pilot, lambda: "match" not in screen_text(app) and "n New" in screen_text(app))


async def test_a_search_that_comes_before_the_log_of_its_run_waits_for_it(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        app.screen_of_runs.filter_by("nothing of that name")
        await until(pilot, lambda: view_of(app).path is None)
        await ask(pilot, "slash", "warn line")
        app.screen_of_runs.filter_by("")
        await until_shown(pilot, "match 10 of 10", "WARN line 1000")


async def test_n_starts_a_new_run_where_nothing_is_searched(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await pilot.press("n")
        await until_shown(pilot, "New run")


async def test_a_search_without_a_match_says_so(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "zebra")
        await until_shown(pilot, "no match for 'zebra'")


async def test_a_bad_pattern_is_refused_in_words(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "[")
        await until_shown(pilot, "'[' is no regular expression")


async def test_a_filter_shows_only_matching_lines(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "ampersand", "WARN")
        await until_shown(pilot, "only 'WARN'", "WARN line 100")
        assert widget_text(view_of(app)).split("\n")[:10] == [f"WARN line {number}00" for number in range(1, 11)]
        await pilot.press("escape")
        await until_shown(pilot, "info line 999")


async def test_a_line_is_gone_to_by_its_number(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "colon", "500")
        await until_shown(pilot, "WARN line 500", "paused")
        await ask(pilot, "colon", "five")
        await until_shown(pilot, "'five' is neither a line, a step nor a time")


async def test_a_log_of_another_run_forgets_the_search(dashboard: Make, run: FakeRun, home: Home) -> None:
    other = FakeRun(home, "20261122-0930-other-0001", age_s=900)
    other.log(b"the other log\n")
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "WARN")
        await until_shown(pilot, "match 10 of 10")
        app.screen.query_one(RunTable).move_cursor_to(other.directory.run_id)
        await until_shown(pilot, "the other log")
        await until(pilot, lambda: "match" not in screen_text(app))
        assert app.screen.query_one(LogPane).view.pattern is None


async def test_a_step_is_gone_to_by_its_number(dashboard: Make, run: FakeRun) -> None:
    run.log(b"".join(b"[train] step %d loss 0.5\n" % step for step in range(1, 300)))
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 299")
        await pilot.press("enter")
        await ask(pilot, "colon", "step 120")
        await until_shown(pilot, "match 1 of 1", "step 120 loss")


def stamped_log(run: FakeRun, *, minutes: int) -> None:
    """A line each second of the last so many minutes, after the run's own lines."""
    first = NOW - 60 * minutes
    lines = (
        time.strftime(f"%Y-%m-%d %H:%M:%S INFO second {second}", time.localtime(first + second))
        for second in range(60 * minutes)
    )
    run.log("\n".join(lines).encode() + b"\n")


@pytest.mark.parametrize(("wish", "second"), [("-10m", 600), ("{clock}", 300), ("-3d", 0)])
async def test_colon_goes_to_a_time(dashboard: Make, run: FakeRun, wish: str, second: int) -> None:
    stamped_log(run, minutes=20)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "second 1199")
        await pilot.press("enter")
        await until(pilot, lambda: view_of(app).has_focus)
        await ask(pilot, "colon", wish.format(clock=time.strftime("%H:%M:%S", time.localtime(NOW - 900))))
        await until_shown(pilot, f"second {second}", f"line {1001 + second:,} · ", "paused")
        await pilot.press("G")
        await until(pilot, lambda: f"line {1001 + second:,} · " not in screen_text(app))


async def test_without_times_in_the_log_those_of_the_steps_lead_to_a_line(dashboard: Make, home: Home) -> None:
    home.prepare()
    training_run(home)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 315 loss")
        await pilot.press("enter")
        await until(pilot, lambda: view_of(app).has_focus)
        await ask(pilot, "colon", "-49.9s")
        await until_shown(pilot, "line 176 · step 176")


async def test_a_log_without_times_and_steps_says_so(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "colon", "-5m")
        await until_shown(pilot, "no line of this log tells its time or step")
