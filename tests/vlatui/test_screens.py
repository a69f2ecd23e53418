"""Pictures of the screens: every main screen at 80x24 and 160x48, and the small and special ones."""

from collections.abc import Awaitable, Callable

import pytest
from dashboards import FakeVlad
from screen_text import until_shown
from textual.pilot import Pilot
from vlad.records.rundir import Home, RunDirectory
from vlad_answers import RESOLVED, START_WORDS, foretold
from vlatui.app import VlatuiApp
from vlatui.look.words import Language, choose
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.table import Table

Make = Callable[..., VlatuiApp]
Runs = dict[str, RunDirectory]
Before = Callable[[Pilot[None]], Awaitable[None]]
SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((160, 48), id="160x48")]


def after(*keys: str, shown: tuple[str, ...], select: RunDirectory | None = None) -> Before:
    """Selects a run, presses keys and waits until the screen says `shown`."""

    async def run_before(pilot: Pilot[None]) -> None:
        await until_shown(pilot, "tabletop_demo")
        if select is not None:
            pilot.app.screen.query_one(RunTable).move_cursor_to(select.run_id)
        else:
            await until_shown(pilot, "step 315 loss", "ETA 2m 38s", "Eva")
            await pilot.pause()
        await pilot.press(*keys)
        await until_shown(pilot, *shown)
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES)
def test_log_of_a_training_run(
    snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]
) -> None:
    before = after(shown=("step 315 loss", "315 lines", "Evaluations 7"))
    assert snap_compare(dashboard(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_evaluations(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]) -> None:
    assert snap_compare(dashboard(), terminal_size=size, run_before=after("2", shown=("best 84%",)))


@pytest.mark.parametrize("size", SIZES)
def test_metrics(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]) -> None:
    assert snap_compare(dashboard(), terminal_size=size, run_before=after("3", shown=("smoothing 0.6",)))


@pytest.mark.parametrize("size", SIZES)
def test_cause_of_death(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]) -> None:
    before = after(select=runs["failed"], shown=("CUDA out of memory on rank 0", "4 lines"))
    assert snap_compare(dashboard(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_events(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]) -> None:
    before = after(
        "5", select=runs["restarting"], shown=("restarts in 17s", "restarts ■□□□□ 1/5", "1 ended: killed by signal 9")
    )
    assert snap_compare(dashboard(), terminal_size=size, run_before=before)


def test_config(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    assert snap_compare(dashboard(), terminal_size=(100, 30), run_before=after("6", shown=("learning_rate",)))


def test_question_before_stopping_now(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    assert snap_compare(dashboard(), run_before=after("S", shown=("15 steps since",)))


def test_form_for_a_new_run(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(config=RESOLVED, plan=foretold(22_700_000_000, fits=True)))
    before = after("n", shown=("$ vlad start", "✓ would be", "3.0 GB to spare"))
    assert snap_compare(app, terminal_size=(100, 30), run_before=before)


def test_a_search_in_the_log(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    keys = ("enter", "slash", *"step", "space", *"30", "enter")
    assert snap_compare(dashboard(), run_before=after(*keys, shown=("match 11 of 11",)))


def test_no_runs(snap_compare: Callable[..., bool], dashboard: Make, home: Home) -> None:
    home.prepare()

    async def before(pilot: Pilot[None]) -> None:
        await until_shown(pilot, "No runs yet.")

    assert snap_compare(dashboard(), run_before=before)


@pytest.mark.parametrize("size", [(40, 10), (200, 50), (250, 70)], ids=["40x10", "200x50", "250x70"])
def test_small_and_large(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]) -> None:
    assert snap_compare(dashboard(), terminal_size=size, run_before=after(shown=("step 315 loss",)))


@pytest.mark.parametrize("size", [(40, 10), (250, 70)], ids=["40x10", "250x70"])
def test_evaluations_small_and_large(
    snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, size: tuple[int, int]
) -> None:
    assert snap_compare(dashboard(), terminal_size=size, run_before=after("2", shown=("84%",)))


def test_in_chinese(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    """Its characters are two cells wide: columns and borders stand."""
    choose(Language.CHINESE)
    try:
        before = after("5", select=runs["restarting"], shown=("等待重启", "17s后重启", "被信号 9 终止"))
        assert snap_compare(dashboard(), terminal_size=(80, 24), run_before=before)
    finally:
        choose(Language.ENGLISH)


def test_one_line_for_a_new_run(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(config=RESOLVED, plan=foretold(22_700_000_000, fits=True), completions=START_WORDS))
    keys = ("n", "ctrl+t", *"auto 500 --gpus 2")
    before = after(*keys, shown=("$ vlad start auto 500 --gpus 2", "✓ would be", "3.0 GB to spare"))
    assert snap_compare(app, terminal_size=(80, 24), run_before=before)


def test_what_differs_from_another_run(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await after("6", "enter", shown=("learning_rate",))(pilot)
        await pilot.press("equals_sign")
        await until_shown(pilot, "What differs from", runs["failed"].run_id)
        pilot.app.screen.query_one(Table).move_cursor_to(runs["failed"].run_id)
        await pilot.press("enter")
        await until_shown(pilot, "libero_object", "dataset_name")
        await pilot.pause()

    assert snap_compare(dashboard(), terminal_size=(100, 30), run_before=before)


@pytest.mark.parametrize("theme", ["vlad-light", "vlad-colour-blind", "ansi-dark"])
def test_themes(snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, theme: str) -> None:
    app = dashboard()
    app.theme = theme
    assert snap_compare(app, terminal_size=(100, 30), run_before=after("2", shown=("best 84%",)))


def test_without_colour(
    snap_compare: Callable[..., bool], dashboard: Make, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(dashboard(), terminal_size=(100, 30), run_before=after("2", shown=("best 84%",)))
