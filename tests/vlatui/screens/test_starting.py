"""Starting runs from the dashboard."""

import threading
from pathlib import Path

import pytest
from dashboards import SIZE, FakeVlad, Make, Runs, until_form, until_read, until_told
from fake_runs import NOW, training_run
from patience import PATIENCE_S
from saved_adapters import saved_adapter
from screen_text import until, until_shown
from textual.widgets import Input
from vlad.records.progress import CheckpointSaved
from vlad.records.rundir import Home
from vlad_answers import RESOLVED, foretold
from vlatui.reading.detail import DetailReader, RunDetail
from vlatui.screens.new_run import NewRunScreen
from vlatui.sites.vlad import Answer


async def test_the_form_shows_the_exact_command_and_starts_it(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n")
        await until_form(pilot)
        values = {"config": "my config.yaml", "nproc": "2", "name": "mine", "overrides": "learning_rate=1e-4 seed=3"}
        for field, value in values.items():
            app.screen.query_one(f"#field-{field}", Input).value = value
        command = "$ vlad start 2 --config 'my config.yaml' --set learning_rate=1e-4 --set seed=3 --name mine"
        await until_shown(pilot, command)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.screen_of_runs)
        assert vlad.asked_to("start")[-1] == ["start", "2", "--config", "my config.yaml",
                                  "--set", "learning_rate=1e-4", "--set", "seed=3", "--name", "mine"]  # fmt: skip


async def test_a_refused_start_keeps_the_form_and_says_why(dashboard: Make, runs: Runs) -> None:
    refusal = Answer(False, "vlad: unknown field lerning_rate, did you mean learning_rate?")
    app = dashboard(vlad=FakeVlad(start=refusal))
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
        await until_form(pilot)
        app.screen.query_one(f"#field-{field}", Input).value = value
        await until_shown(pilot, words)
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, NewRunScreen)
        assert vlad.asked_to("start") == []


async def test_d_fills_the_form_with_the_selected_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "Evaluations 7")
        await pilot.press("d")
        await until_shown(pilot, "--config configs/demo.yaml --set learning_rate=0.0005 --name tabletop_demo")


async def test_d_right_after_a_move_waits_for_the_run_that_is_moved_to(
    dashboard: Make, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    read = DetailReader.read

    def read_behind_the_gate(reader: DetailReader) -> RunDetail | None:
        if reader.run.run_id == runs["failed"].run_id:
            assert gate.wait(PATIENCE_S)
        return read(reader)

    monkeypatch.setattr(DetailReader, "read", read_behind_the_gate)
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("j", "j", "j", "d")
        await until(pilot, lambda: app.screen_of_runs.shown.waiting is not None)
        assert app.screen is app.screen_of_runs
        gate.set()
        await until_shown(pilot, "--name libero_object")


async def test_shift_r_offers_the_checkpoints_and_fills_the_form(dashboard: Make, home: Home, tmp_path: Path) -> None:
    home.prepare()
    run = training_run(home)
    adapters = tmp_path / "adapters"
    folders = [saved_adapter(adapters / "step-000300", age_s=9), saved_adapter(adapters / "step-000200", age_s=99)]
    run.progress(CheckpointSaved(at=NOW, step=300, path=str(folders[0])))
    run.evaluation(300, 42, 50, 84.0, 0, at=NOW, checkpoint=str(folders[0]))
    app = dashboard(vlad=FakeVlad(real=("adapters",)))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "step 315 loss", "Evaluations 8")
        await pilot.press("R")
        await until_shown(pilot, "Resume tabletop_demo from", "84% of 50", "9s ago")
        await pilot.press("j", "enter")
        await until_form(pilot)
        assert app.screen.query_one("#field-resume", Input).value == str(folders[1])


async def test_a_run_without_a_checkpoint_offers_none(dashboard: Make, runs: Runs) -> None:
    app = dashboard(wanted=runs["stopped"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "asked for by ada")
        await pilot.press("R")
        await until_told(pilot, "no checkpoint yet")


async def test_the_form_is_checked_and_its_memory_foretold_while_typing(dashboard: Make, runs: Runs) -> None:
    remedy = {"changes": ["batch_size=1"], "total_bytes": 1, "step_s": 2.0}
    vlad = FakeVlad(config=RESOLVED, plan=foretold(31_000_000_000, fits=False, remedies=[remedy]))
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n")
        await until_form(pilot)
        app.screen.query_one("#field-nproc", Input).value = "1"
        await until_shown(pilot, "✓ would be spatial+b16", "! min_delta is below the resolution")
        await until_shown(pilot, "✗ 31.0 of 25.7 GB on 1 x 4090: does not fit", "→ would fit with batch_size=1")
        await until(pilot, lambda: vlad.asked_to("plan")[-1] == ["plan", "1", "--json"])


async def test_a_refused_configuration_says_so_before_it_is_started(dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(config=Answer(False, "vlad: --learning_rate 'hello': it must be a number")))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n")
        await until_shown(pilot, "✗ --learning_rate 'hello': it must be a number")


async def test_fields_are_completed_and_explained(dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(config=RESOLVED))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("n")
        await until_shown(pilot, "✓ would be spatial+b16")
        overrides = app.screen.query_one("#field-overrides", Input)
        overrides.focus()
        await pilot.press(*"seed=3", "space", *"lear")
        await until(pilot, lambda: overrides._suggestion == "seed=3 learning_rate=")
        await pilot.press("right")
        await until(pilot, lambda: overrides.value == "seed=3 learning_rate=")
        await until_shown(pilot, "learning_rate is 0.0005, from demo.yaml:12")


async def test_an_adapter_is_chosen_from_those_found(dashboard: Make, home: Home, tmp_path: Path) -> None:
    home.prepare()
    run = training_run(home)
    folder = saved_adapter(tmp_path / "adapters" / "step-000300", age_s=9)
    run.progress(CheckpointSaved(at=NOW, step=300, path=str(folder)))
    app = dashboard(vlad=FakeVlad(real=("adapters",)))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "step 315 loss", "Evaluations 7")
        await pilot.press("n", "ctrl+o")
        await until_shown(pilot, "9s ago")
        await pilot.press("enter")
        await until_form(pilot)
        assert app.screen.query_one("#field-resume", Input).value == str(folder)


async def test_typing_begins_in_the_first_field_and_tab_goes_on(dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(config=RESOLVED))
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "3 live")
        await pilot.press("n")
        await until_form(pilot)
        await pilot.press(*"my", "tab", *"4090", "tab", "2")
        await until_shown(pilot, "$ vlad start 2 --config my --profile 4090", "✓ would be spatial+b16")
