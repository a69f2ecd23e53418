"""Starting runs from the dashboard."""

from pathlib import Path

import pytest
from dashboards import SIZE, FakeVlad, Make, Runs, until_read, until_told
from fake_runs import NOW, training_run
from saved_adapters import saved_adapter
from screen_text import until, until_shown
from textual.widgets import Input
from vlad.records.progress import CheckpointSaved
from vlad.records.rundir import Home
from vlatui.screens.new_run import NewRunScreen
from vlatui.sites.vlad import Answer


async def test_the_form_shows_the_exact_command_and_starts_it(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        values = {"config": "my config.yaml", "nproc": "2", "name": "mine", "overrides": "learning_rate=1e-4 seed=3"}
        for field, value in values.items():
            app.screen.query_one(f"#field-{field}", Input).value = value
        command = "$ vlad start 2 --config 'my config.yaml' --name mine --set learning_rate=1e-4 --set seed=3"
        await until_shown(pilot, command)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.screen_of_runs)
        assert vlad.asked[-1] == ["start", "2", "--config", "my config.yaml", "--name", "mine",
                                  "--set", "learning_rate=1e-4", "--set", "seed=3"]  # fmt: skip


async def test_a_refused_start_keeps_the_form_and_says_why(dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(Answer(False, "vlad: unknown field lerning_rate, did you mean learning_rate?")))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n", "ctrl+s")
        await until_shown(pilot, "did you mean learning_rate?")
        assert isinstance(app.screen, NewRunScreen)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("nproc", "two", "a whole number from 1, or auto"),
        ("overrides", "seed", "write it as field=value"),
        ("command", "'torchrun", "No closing quotation"),
    ],
)
async def test_what_cannot_be_meant_is_said_while_typing(
    dashboard: Make, runs: Runs, field: str, value: str, words: str
) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        app.screen.query_one(f"#field-{field}", Input).value = value
        await until_shown(pilot, words)
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, NewRunScreen)
        assert vlad.asked == []


async def test_d_fills_the_form_with_the_selected_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "Evaluations 7")
        await pilot.press("d")
        await until_shown(pilot, "--config configs/demo.yaml --name tabletop_demo --set learning_rate=0.0005")


async def test_shift_r_offers_the_checkpoints_and_fills_the_form(dashboard: Make, home: Home, tmp_path: Path) -> None:
    home.prepare()
    run = training_run(home)
    adapters = tmp_path / "adapters"
    folders = [saved_adapter(adapters / "step-000300", age_s=9), saved_adapter(adapters / "step-000200", age_s=99)]
    run.progress(CheckpointSaved(at=NOW, step=300, path=str(folders[0])))
    run.evaluation(300, 42, 50, 84.0, 0, at=NOW, checkpoint=str(folders[0]))
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "step 315 loss", "Evaluations 8")
        await pilot.press("R")
        await until_shown(pilot, "Resume tabletop_demo from", "84% of 50", "9s ago")
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert app.screen.query_one("#field-resume", Input).value == str(folders[1])


async def test_a_run_without_a_checkpoint_offers_none(dashboard: Make, runs: Runs) -> None:
    app = dashboard(wanted=runs["stopped"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "asked for by ada")
        await pilot.press("R")
        await until_told(pilot, "no checkpoint yet")
