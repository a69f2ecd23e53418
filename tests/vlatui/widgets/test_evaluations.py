"""The Evaluations tab: paths of the evaluation under the cursor."""

from pathlib import Path

import pytest
from dashboards import SIZE, Make, Runs, until_read, until_told
from fake_runs import NOW, FakeRun, training_run
from screen_text import screen_text, until, until_shown
from textual.pilot import Pilot
from vlad.records.outcome import Exit
from vlad.records.progress import Phase, PhaseChange, Plan
from vlad.records.run import AttemptEnded, Moved, State
from vlad.records.rundir import Home


def fresh_run(home: Home) -> FakeRun:
    """Before its first evaluation."""
    run = FakeRun(home, "20261122-0931-fresh-7f3a", age_s=90)
    run.event(Moved, state=State.STARTING, why="asked for")
    run.attempt()
    run.event(Moved, state=State.RUNNING, why="the program reports")
    run.progress(Plan(at=NOW - 60, max_steps=500, save_steps=25, eval_every_steps=50, patience=5))
    run.steps(1, 40)
    return run


async def open_evaluations(pilot: Pilot[None]) -> None:
    await until_read(pilot)
    await until_shown(pilot, "Evaluations 7")
    await pilot.press("2", "enter")
    await until_shown(pilot, "best 84%", "checkpoint /")


@pytest.mark.parametrize(
    ("keys", "copied"),
    [
        (["y"], "/work/vla/adapters/demo--300_chkpt"),
        (["j", "y"], "/work/vla/adapters/demo--250_chkpt"),
        (["Y"], "/work/vla/eval_logs/EVAL-step300.txt"),
    ],
)
async def test_a_path_is_copied(dashboard: Make, runs: Runs, keys: list[str], copied: str) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_evaluations(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: app.clipboard == copied)


async def test_what_was_not_told_cannot_be_copied(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_evaluations(pilot)
        await pilot.press("V")
        await until_told(pilot, "this evaluation has told of no videos")
        assert app.clipboard == ""


async def test_an_evaluation_that_is_still_arriving_has_no_paths(dashboard: Make, home: Home) -> None:
    home.prepare()
    run: FakeRun = training_run(home)
    run.arriving_task(350, successes=4, episodes=5, at=NOW + 1)
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss", "Evaluations 7")
        await pilot.press("2", "enter")
        await until_shown(pilot, "so far")
        await pilot.press("g", "y")
        await until_told(pilot, "this evaluation has told of no checkpoint")


async def test_the_first_evaluation_is_told_while_it_goes_on_and_not_after_its_run_died(
    dashboard: Make, home: Home
) -> None:
    home.prepare()
    run = fresh_run(home)
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "No evaluation yet.", "the first one comes at step 50")
        run.progress(PhaseChange(at=NOW, phase=Phase.EVALUATING, step=50, done=3, total=12))
        await until_shown(pilot, "step 50 is evaluated", "3 of 12 episodes", "the first one goes on")
        run.event(AttemptEnded, number=1, exit=Exit(at=NOW, signal=9), end_step=50)
        run.event(Moved, state=State.BACKOFF, why="killed", restart_at=NOW + 60)
        await until(pilot, lambda: "is evaluated" not in screen_text(app))


async def test_enter_opens_a_video_and_then_the_next_or_copies_its_path(
    dashboard: Make, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    videos = [tmp_path / f"episode{number}.mp4" for number in range(2)]
    for video in videos:
        video.touch()
    home.prepare()
    training_run(home).evaluation(350, 45, 50, 90.0, 0, at=NOW + 1, videos=tuple(map(str, videos)))
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss", "Evaluations 8")
        await pilot.press("2", "enter")
        await until_shown(pilot, "best 90%", "2 videos")
        for number in (0, 1, 0):
            await pilot.press("enter")
            await until(pilot, lambda: app.clipboard == str(videos[number]), f"video {number}")  # noqa: B023 - awaited here
        await until_told(pilot, "there is no display here: the path of video 1/2 is copied")
        await pilot.press("j", "enter")
        await until_told(pilot, "this evaluation has told of no videos")
