"""Starting runs by one line, beside the form."""

import pytest
from dashboards import SIZE, FakeVlad, Make, Runs, until_read
from screen_text import until, until_shown, widget_text
from textual.pilot import Pilot
from textual.widgets import Input
from vlad_answers import RESOLVED, START_WORDS, foretold
from vlatui.app import VlatuiApp
from vlatui.screens.new_run import NewRunScreen
from vlatui.sites.vlad import Answer
from vlatui.widgets.start_fields import StartFields
from vlatui.widgets.start_line import StartLine


@pytest.fixture
def vlad() -> FakeVlad:
    return FakeVlad(config=RESOLVED, plan=foretold(22_700_000_000, fits=True), completions=START_WORDS)


async def until_focused(pilot: Pilot[None], line: StartLine) -> None:
    await until(pilot, lambda: line.has_focus, "the line is focused")


async def open_line(pilot: Pilot[None]) -> StartLine:
    """The screen for a new run, with its line in front."""
    await until_read(pilot)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(pilot.app.screen, NewRunScreen))
    await pilot.press("ctrl+t")
    line = pilot.app.screen.query_one(StartLine)
    await until_focused(pilot, line)
    await until(pilot, lambda: line.words.options, "the options are known")
    return line


async def test_a_line_is_checked_as_it_is_typed_and_started_as_it_stands(
    dashboard: Make, runs: Runs, vlad: FakeVlad
) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        line.show("auto 10000 1000 1000 5 --gpus 2")
        await until_shown(
            pilot, "$ vlad start auto 10000 1000 1000 5 --gpus 2", "✓ would be spatial+b16", "GB to spare"
        )
        words = ["auto", "10000", "1000", "1000", "5", "--gpus", "2"]
        assert ["start", "--dry-run", "--json", *words] in vlad.asked
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.screen_of_runs)
        assert vlad.asked_to("start") == [["start", *words]]


async def test_tab_completes_options_files_and_fields(dashboard: Make, runs: Runs, vlad: FakeVlad) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        await until_shown(pilot, "[NPROC] TARGET_STEPS", "✓ would be spatial+b16")
        await pilot.press(*"--co", "tab", *"c", "tab")
        assert line.value == "--config configs/"
        await until_shown(pilot, "configs/demo.yaml · configs/libero.yaml")
        await pilot.press("d", "tab", *"--set", "space", *"lear", "tab")
        assert line.value == "--config configs/demo.yaml --set learning_rate="


async def test_what_vlad_would_refuse_is_said_before_it_is_started(dashboard: Make, runs: Runs, vlad: FakeVlad) -> None:
    vlad.answers["start"] = Answer(False, "vlad: NPROC 3 with --gpus 2: the trainer takes one process a GPU")
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        line.show("3 --gpus 2")
        await until_shown(pilot, "✗ NPROC 3 with --gpus 2")
        line.show("3 --gpsu 2")
        await until_shown(pilot, "✗ --gpsu is no option of vlad start, did you mean --gpus?")
        line.show("3 --config 'x")
        await until_shown(pilot, "No closing quotation")
        assert vlad.asked_to("start") == []


def typed(app: VlatuiApp, field: str) -> Input:
    return app.screen.query_one(f"#field-{field}", Input)


async def test_form_and_line_are_switched_without_losing_what_was_typed(
    dashboard: Make, runs: Runs, vlad: FakeVlad
) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        written = "2   500 --set 'note=two  words' --restarts 3 --config a.yaml"
        line.show(written)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: not line.has_focus)
        values = {"nproc": "2", "figures": "500", "config": "a.yaml", "options": "--restarts 3"}
        assert {field: typed(app, field).value for field in values} == values
        await pilot.press("ctrl+t")
        assert line.value == written, "nothing was changed in between: it stands as it was typed"
        await pilot.press("ctrl+t")
        typed(app, "name").value = "mine"
        await pilot.press("ctrl+t")
        assert line.value == "2 500 --config a.yaml --set 'note=two  words' --name mine --restarts 3"


async def test_what_cannot_be_meant_is_not_switched(dashboard: Make, runs: Runs, vlad: FakeVlad) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        line.show("--name 'open")
        await pilot.press("ctrl+t")
        await until_shown(pilot, "No closing quotation")
        assert line.display
        assert line.value == "--name 'open"
        assert app.screen.query_one(StartFields).display is False


async def test_lines_that_were_started_come_back_with_up_and_the_mode_is_remembered(
    dashboard: Make, runs: Runs, vlad: FakeVlad
) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        for words in ("1 --name first", "1 --name second"):
            line.show(words)
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is app.screen_of_runs)
            await pilot.press("n")
            await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
            line = app.screen.query_one(StartLine)
            await until_focused(pilot, line)
        await pilot.press(*"2", "up", "up")
        assert line.value == "1 --name first"
        await pilot.press("down")
        assert line.value == "1 --name second"
        await pilot.press("down")
        assert line.value == "2", "what was being typed is not lost"


async def test_a_line_with_a_secret_is_not_kept(dashboard: Make, runs: Runs, vlad: FakeVlad) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE) as pilot:
        line = await open_line(pilot)
        line.show("--set hub_token=abcdef")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.screen_of_runs)
        assert app.session.settings.started == ()


async def test_the_end_of_a_long_line_is_in_view_where_it_is_typed_on(
    dashboard: Make, runs: Runs, vlad: FakeVlad
) -> None:
    app = dashboard(vlad=vlad)
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "3 live")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        typed(app, "command").value = f"{'a long command ' * 9}ends here"
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "ends here" in widget_text(app.screen.query_one(StartLine)), "its end is shown")
