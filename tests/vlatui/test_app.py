"""The application: help, palette, theme, settings, and leaving it."""

import os
import re
from types import SimpleNamespace

import pytest
from dashboards import SIZE, FakeVlad, Make, Runs, requests_of, run_rows, until_read, until_told
from fake_runs import HOST, training_run
from screen_text import screen_text, until, until_shown
from textual import events
from textual.app import App
from textual.geometry import Size
from textual.widgets import Input
from vlad.records.requests import Action
from vlad.records.rundir import Home
from vlad.supervise import locks
from vlatui import app as app_module
from vlatui.look.words import Language, choose
from vlatui.screens.navigation import TABS
from vlatui.screens.new_run import NewRunScreen
from vlatui.screens.text import TextScreen
from vlatui.settings import Settings, load_settings


async def test_orphans_are_adopted_at_the_start(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, adopts=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: vlad.asked == [["ls", "--json"]])


async def test_a_run_whose_guards_are_killed_meanwhile_is_adopted(
    dashboard: Make, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "ORPHANS_S", 0.05)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename=HOST))
    home.prepare()
    run = training_run(home)
    keeper = locks.open_lock(run.directory.keeper_lock)
    assert locks.try_lock(keeper)
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, adopts=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss")
        await until(pilot, lambda: vlad.asked == [["ls", "--json"]])
        os.close(keeper)
        await until_told(pilot, "nobody looked after tabletop_demo any more; vlad does again")
    assert vlad.asked == [["ls", "--json"]] * 2


async def test_the_help_tells_every_key_of_the_bindings(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(100, 140)) as pilot:
        await until_read(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        text = screen_text(app)
        for words in ("Start a new run", "Stop at once, without saving", "Search", "Quit", "Mark", "Log scale"):
            assert words in text


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ((), ["Everywhere", "Runs and other tables", "Log"]),
        (("1", "enter"), ["Log", "Everywhere"]),
        (("2", "enter"), ["Evaluations", "Runs and other tables", "Everywhere"]),
        (("3", "enter"), ["Metrics", "Everywhere"]),
    ],
    ids=["runs", "log", "evaluations", "metrics"],
)
async def test_the_help_begins_with_what_has_the_focus(
    dashboard: Make, runs: Runs, keys: tuple[str, ...], first: list[str]
) -> None:
    app = dashboard()
    async with app.run_test(size=(100, 140)) as pilot:
        await until_read(pilot)
        for key in keys:
            await pilot.press(key)
        await pilot.press("question_mark")
        await until_shown(pilot, "Runs and other tables", "Log scale")
        titles = "|".join(("Everywhere", "Runs and other tables", *dict(TABS).values()))
        assert re.findall(rf"│ +({titles}) +│", screen_text(app))[: len(first)] == first


async def test_a_run_that_a_filter_hides_is_gone_to_all_the_same(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("slash", *"object", "enter")
        await until(pilot, lambda: len(run_rows(app)) == 1)
        await pilot.press("p", *"go to liberogoal")
        await until_shown(pilot, "libero_goal-c0de")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen_of_runs.selected_id == runs["restarting"].run_id)


async def test_a_notice_holds_nothing_that_a_terminal_obeys(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        app.screen_of_runs.say("vlad says \x1b[2J\x1b]0;owned\x07 [b]this[/b]")
        await until_told(pilot, "vlad says  [b]this[/b]")


def burst(app: App[None], *keys: str) -> None:
    """Keys that arrive together, as over a slow connection."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_keys_that_arrive_together_go_where_each_is_meant(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        burst(app, "slash", *"sqRDo")
        prompt = app.screen.query_one("#run-filter", Input)
        await until(pilot, lambda: prompt.value == "sqRDo")
        assert app.screen is app.screen_of_runs
        burst(app, "escape", "escape", "enter", "slash", *"step", "enter")
        await until_shown(pilot, "match 315 of 315")
        burst(app, "escape", "escape", "s", "y")
        await until(pilot, lambda: requests_of(runs["training"]) == [Action.STOP])
        burst(app, "j", "j", "k", "s")
        await until_shown(pilot, "Stop libero_spatial")
        burst(app, "n", "n", "x", "y")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value.endswith("xy"))


async def test_a_key_whose_target_is_gone_does_not_stop_the_next(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        for _ in range(5):
            burst(app, "question_mark", "escape", "w", "escape", "s", "n")
        burst(app, "2")
        await until(pilot, lambda: app.screen_of_runs.tab == "evaluations")
        assert app.screen is app.screen_of_runs


async def test_keys_after_the_one_that_quits_do_no_harm(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        burst(app, "q", *"sS2nx?")
        await until(pilot, lambda: app._exit)
    assert requests_of(runs["training"]) == []


async def test_the_palette_finds_actions_and_runs(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("p", *"go to liberogoal")
        await until_shown(pilot, "libero_goal-c0de")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.screen_of_runs)
        await until(pilot, lambda: app.screen_of_runs.selected_id == runs["restarting"].run_id)


async def test_the_theme_is_changed_at_once_and_remembered(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)

        def colours() -> set[str]:
            strips = [
                app.screen.query_one(selector).render_line(0) for selector in ("#runs", "#header", "#log", "#tabs")
            ]
            return {str(segment.style.bgcolor) for strip in strips for segment in strip if segment.style}

        before = colours()
        app.theme = "vlad-light"
        await until(pilot, lambda: not colours() & before, "no colour of the old theme is left")
        await until(pilot, lambda: load_settings(app.session.settings_path).theme == "vlad-light")
    assert dashboard().theme == "vlad-light"


def test_strange_settings_mean_defaults(dashboard: Make, home: Home) -> None:
    app = dashboard()
    app.session.settings_path.parent.mkdir(parents=True)
    app.session.settings_path.write_bytes(b'{"theme": 7')
    assert load_settings(app.session.settings_path) == Settings()


async def test_q_quits_and_leaves_the_runs_alone(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        before = runs["training"].state.read_bytes()
        await pilot.press("q")
        await until(pilot, lambda: app._exit)
    assert runs["training"].state.read_bytes() == before
    assert requests_of(runs["training"]) == []


async def test_the_palette_asks_in_the_users_language(dashboard: Make, runs: Runs) -> None:
    choose(Language.CHINESE)
    try:
        app = dashboard()
        async with app.run_test(size=SIZE) as pilot:
            await until_shown(pilot, "3 个活动")
            await pilot.press("ctrl+p")
            await until_shown(pilot, "搜索命令…", "选择配色")
            app.search_themes()
            await until_shown(pilot, "搜索主题…")
    finally:
        choose(Language.ENGLISH)


async def test_a_size_that_was_told_too_late_is_mended(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_read(pilot)
        true = Size(SIZE[0] - 20, SIZE[1] - 5)
        assert app._driver is not None
        app._driver._size = (true.width, true.height)
        app.post_message(events.Resize(Size(*SIZE), Size(*SIZE)))  # what was so before, told last
        await until(pilot, lambda: app.screen.size == true)
