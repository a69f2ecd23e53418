"""Moving around the dashboard: tabs, focus, filter, sorting."""

from functools import partial

import pytest
from dashboards import SIZE, Make, Runs, headings, requests_of, run_rows, until_read, until_told
from fake_runs import FakeRun, succeeded_run
from screen_text import screen_text, until, until_shown
from textual.widgets import ContentSwitcher, Input
from vlad.records.rundir import Home
from vlatui.settings import load_settings
from vlatui.widgets.log_view import LogView
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.table import Table


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("1", "step 315 loss"),
        ("2", "best 84%"),
        ("3", "smoothing 0.6"),
        ("4", "No process of this run is alive on this host."),
        ("5", "runs as process 4242"),
        ("6", "profile 4090_1gpu"),
    ],
)
async def test_digits_choose_tabs_and_the_choice_is_remembered(
    dashboard: Make, runs: Runs, key: str, shown: str
) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press(key)
        await until_shown(pilot, shown)
        current = app.screen.query_one(ContentSwitcher).current
        assert current is not None
        await until(
            pilot, lambda: key == "1" or load_settings(app.session.settings_path).tab == current.removesuffix("-pane")
        )


def _is_current(switcher: ContentSwitcher, pane: str) -> bool:
    return switcher.current == pane


async def test_dot_and_comma_walk_through_the_tabs(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        switcher = app.screen.query_one(ContentSwitcher)
        for key, pane in ((".", "evaluations-pane"), (",", "log-pane"), (",", "config-pane")):
            await pilot.press({".": "full_stop", ",": "comma"}[key])
            await until(pilot, partial(_is_current, switcher, pane))


async def test_enter_goes_to_the_tab_and_escape_back_to_the_runs(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one(LogView).has_focus)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query_one(RunTable).has_focus)


async def test_z_gives_the_whole_screen_to_the_selected_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("z")
        await until(pilot, lambda: "libero_object" not in screen_text(app))
        await until(pilot, lambda: app.screen.query_one(LogView).has_focus)
        await pilot.press("z")
        await until_shown(pilot, "libero_object")


async def test_moving_to_another_run_shows_its_log(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("j")
        await until_shown(pilot, "[eval] 37/100 episodes")
        await pilot.press("G")
        await until_shown(pilot, "stopped at step 77")
        await pilot.press("g")
        await until_shown(pilot, "step 315 loss")


async def test_slash_filters_while_typing_and_escape_clears(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("slash", *"object")
        await until(pilot, lambda: len(run_rows(app)) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: not app.screen.query_one("#run-filter", Input).display)
        assert app.screen.query_one(RunTable).cursor_key == runs["failed"].run_id
        await pilot.press("escape")
        await until(pilot, lambda: len(run_rows(app)) == 6)


async def test_a_filter_that_nothing_fits_says_so(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("slash", *"zzz", "enter")
        await until_shown(pilot, "No run matches 'zzz'.", "escape clears the filter")
        await until(pilot, lambda: "No run yet." not in screen_text(app), "there are some, only hidden")


async def test_f_pauses_and_follows_again_from_any_tab(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "● following")
        await pilot.press("f")
        await until_shown(pilot, "❚❚ paused, f follows")
        await pilot.press("2", "f")
        await until_shown(pilot, "● following")


async def test_a_place_in_the_log_is_typed_from_the_runs_and_asks_to_stop_nothing(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "● following")
        await pilot.press("2", "colon", *"step", "space", *"100", "enter")
        await until_shown(pilot, "match 1 of 1")
        assert requests_of(runs["training"]) == []


async def test_o_sorts_and_remembers(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("o")
        await until_shown(pilot, "by name")
        names = [row.cells["name"][0].text for row in run_rows(app)]
        assert names == [*sorted(names[:3]), *sorted(names[3:])]
        await until(pilot, lambda: load_settings(app.session.settings_path).sort == "name")
        await pilot.press("o")
        await until_shown(pilot, "by success")
        assert run_rows(app)[0].key == runs["training"].run_id


async def test_runs_stand_under_headings_that_can_be_switched_off_and_are_remembered(
    dashboard: Make, home: Home, runs: Runs
) -> None:
    FakeRun(home, "20261122-1200-waits_its_turn-0003", age_s=1)
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "waits_its_turn", "step 315 loss")
        assert headings(app) == ["Live 3", "Queued 1", "Ended 3"]
        assert app.screen.query_one(RunTable).cursor_key == runs["training"].run_id
        table = app.screen.query_one(RunTable)
        await pilot.press("j", "j", "j")
        await until(pilot, lambda: table.cursor_key == "20261122-1200-waits_its_turn-0003")
        await pilot.press("j")
        await until(pilot, lambda: table.cursor_key == runs["failed"].run_id)
        await pilot.press("O")
        await until_told(pilot, "no headings")
        assert headings(app) == []
        assert app.screen.query_one(RunTable).cursor_key == runs["failed"].run_id
        await until(pilot, lambda: not load_settings(app.session.settings_path).has_headings)
    again = dashboard()
    async with again.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "waits_its_turn")
        assert headings(again) == []
        await pilot.press("O")
        await until_told(pilot, "runs under headings")
        assert headings(again) == ["Live 3", "Queued 1", "Ended 3"]


async def test_a_single_group_needs_no_heading(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_read(pilot)
        await pilot.press("slash", *"live", "enter")
        await until(pilot, lambda: len(run_rows(app)) == 3)
        assert headings(app) == []


async def test_a_low_screen_spends_no_line_on_headings(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(80, 15)) as pilot:
        await until_shown(pilot, "tabletop_demo")
        assert headings(app) == []
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: headings(app) == ["Live 3", "Ended 3"])


async def test_columns_are_chosen_and_remembered(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        assert "LOSS" in screen_text(app).splitlines()[1]
        await pilot.press("C")
        await until_shown(pilot, "space shows or hides")
        await pilot.press(*"jjjjj", "space", "escape")
        await until(pilot, lambda: "LOSS" not in screen_text(app).splitlines()[1], "the column is gone")
        await until(pilot, lambda: load_settings(app.session.settings_path).hidden_columns == ("loss",))
    again = dashboard()
    async with again.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        assert "LOSS" not in screen_text(again).splitlines()[1]
        await pilot.press("C")
        await until_shown(pilot, "space shows or hides")
        await pilot.press(*"jjjjj", "enter", "escape")
        await until(pilot, lambda: "LOSS" in screen_text(again).splitlines()[1], "the column is back")


async def test_the_configuration_shows_only_what_was_chosen(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("6", "enter")
        await until_shown(pilot, "lora_rank", "learning_rate")
        await pilot.press("ampersand")
        await until(pilot, lambda: "lora_rank" not in screen_text(app))
        assert "learning_rate" in screen_text(app)
        await pilot.press("ampersand")
        await until_shown(pilot, "lora_rank")


async def test_the_configuration_is_compared_with_that_of_another_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("6", "enter")
        await until_shown(pilot, "lora_rank", "learning_rate")
        await pilot.press("equals_sign")
        await until_shown(pilot, "What differs from", runs["failed"].run_id)
        choice = app.screen.query_one(Table)
        choice.move_cursor_to(runs["failed"].run_id)
        await pilot.press("enter")
        await until_shown(pilot, "tabletop_demo", "libero_object", "dataset_name")
        await until(pilot, lambda: "batch_size" not in screen_text(app), "only what differs is left")
        app.screen.query_one(RunTable).move_cursor_to(runs["evaluating"].run_id)
        await until_shown(pilot, "libero_spatial", "libero_object")
        app.screen.query_one(RunTable).move_cursor_to(runs["failed"].run_id)
        await until_shown(pilot, "Both runs were started with the same configuration.")
        await pilot.press("ampersand")
        await until_shown(pilot, "lora_rank", "batch_size")


async def test_one_run_alone_is_compared_with_none(dashboard: Make, home: Home) -> None:
    succeeded_run(home.prepare())
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "✓ 1 succeeded")
        await pilot.press("6", "enter", "equals_sign")
        await until_told(pilot, "There is no other run.")
