"""The application: help, palette, theme, settings, and leaving it."""

from dashboards import SIZE, FakeVlad, Make, Runs, requests_of, until_read
from screen_text import screen_text, until, until_shown
from vlad.records.rundir import Home
from vlatui.look.words import Language, choose
from vlatui.screens.text import TextScreen
from vlatui.settings import Settings, load_settings


async def test_orphans_are_adopted_at_the_start(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, adopts=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: vlad.asked == [["ls", "--json"]])


async def test_the_help_tells_every_key_of_the_bindings(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(100, 140)) as pilot:
        await until_read(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        text = screen_text(app)
        for words in ("Start a new run", "Stop at once, without saving", "Search", "Quit", "Mark", "Log scale"):
            assert words in text


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
