"""The end of a run is told: by a notice, and where it is wanted by the bell and by the desktop."""

import os
from pathlib import Path

import pytest
from dashboards import SIZE, Make, Runs, until_read, until_told
from fake_runs import FakeRun, training_run
from screen_text import screen_text, until, until_shown
from textual.pilot import Pilot
from vlad.records.run import Moved, State
from vlad.records.rundir import Home
from vlatui.app import VlatuiApp
from vlatui.screens.ends import AFTER_THIS
from vlatui.settings import load_settings


class Told:
    """What the terminal got: rings, and sequences that are no part of the picture."""

    def __init__(self, app: VlatuiApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rings = 0
        self.sent: list[str] = []
        monkeypatch.setattr(app, "bell", self._ring)
        monkeypatch.setattr(app.screen_of_runs, "write_to_terminal", self.sent.append)

    def _ring(self) -> None:
        self.rings += 1


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "VTE_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def run(home: Home) -> FakeRun:
    return training_run(home.prepare())


async def fail(pilot: Pilot[None], run: FakeRun) -> None:
    run.event(Moved, state=State.FAILED, why="the disk is full; \x1b]52;c;AAAA\x07")
    run.end()
    await until_told(pilot, "tabletop_demo failed: the disk is full")


async def test_b_goes_through_bell_desktop_both_and_neither_and_remembers(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = dashboard()
    told = Told(app, monkeypatch)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss")
        for words, chosen in (
            ("the bell rings when", (True, False)),
            ("a desktop notification comes when", (False, True)),
            ("the bell rings and a desktop notification comes", (True, True)),
            ("no bell and no desktop notification", (False, False)),
        ):
            await pilot.press("B")
            await until_told(pilot, words)
            settings = app.session.settings
            assert (settings.rings, settings.notifies) == chosen
            await app.workers.wait_for_complete()
        assert told.sent == ["\x1b]9;vlatui: this is how the end of a run is told\x07"]
        await pilot.press("B")
        await until(pilot, lambda: load_settings(app.session.settings_path).rings, "it is remembered")
    assert set(AFTER_THIS) == set(AFTER_THIS.values())


async def test_a_run_that_ends_rings_and_tells_the_desktop_nothing_that_a_terminal_obeys(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = dashboard()
    app.session.remember(rings=True, notifies=True)
    told = Told(app, monkeypatch)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss")
        await fail(pilot, run)
        await until(pilot, lambda: told.sent, "the desktop is told")
        assert told.rings == 1
        (sent,) = told.sent
        assert sent.startswith("\x1b]9;vlatui: tabletop_demo failed: the disk is full")
        assert sent[1:-1].isprintable()
        assert sent.endswith("\x07")
        assert sent.count(";") == 1


async def test_nobody_is_told_who_does_not_want_it(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = dashboard()
    told = Told(app, monkeypatch)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss")
        await fail(pilot, run)
        await app.workers.wait_for_complete()
        assert (told.rings, told.sent) == (0, [])


async def test_a_tmux_that_keeps_notifications_back_is_named_with_the_remedy(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmux = tmp_path / "tmux"
    tmux.write_text("#!/bin/sh\nprintf 'foot \\t0\\n'\n")
    tmux.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("TMUX", "/tmp/a,1,0")
    app = dashboard()
    told = Told(app, monkeypatch)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss")
        await pilot.press("B", "B")
        await until_told(pilot, "tmux set -g allow-passthrough on")
        assert told.sent == []


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_a_notice_leaves_the_line_below_the_log_in_view(
    dashboard: Make, runs: Runs, size: tuple[int, int]
) -> None:
    app = dashboard()
    async with app.run_test(size=size, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "● following", "attempt 1")
        app.screen_of_runs.say("a notice that is here")
        await until_shown(pilot, "a notice that is here", "● following", "attempt 1", "q Quit")
        lines = screen_text(app).splitlines()
        at = next(number for number, line in enumerate(lines) if "a notice that is here" in line)
        status = next(number for number, line in enumerate(lines) if "● following" in line)
        assert at == status - 1
