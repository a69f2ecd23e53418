"""What the dashboard shows of each state and of live changes; on real record files."""

import os
import signal
from pathlib import Path

import pytest
from dashboards import SIZE, Make, Runs, headings, select, until_read
from fake_gpus import fake_gpus
from fake_runs import training_run
from patience import until as until_so
from screen_text import screen_text, until, until_shown
from supervised_runs import Lab
from vlad.records.run import Moved, State
from vlad.records.rundir import Home
from vlad.records.spec import StopLadder
from vlatui.widgets.run_table import RunTable


async def test_every_run_is_listed_with_what_matters(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(160, 40)) as pilot:
        await until_read(pilot)
        await pilot.press("O")
        await until(pilot, lambda: not headings(app))
        await pilot.pause()
        rows = screen_text(app).splitlines()[2:8]
        expected = (
            "training 315/500 2m 38s 84% of 50 0/5 2 pts/3 13m",
            "evaluating 3000/10000 58% of 100 8 detached 1h",
            "backoff 410/2000 4 pts/7",
            "failed 12/5000 pts/1 11h",
            "succeeded 400/400 86% of 50 5/5",
            "stopped detached 2d",
        )
        for row, words in zip(rows, expected, strict=True):
            assert all(word in row for word in words.split()), f"{words!r} in {row!r}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("training", ["training", "63%", "ETA 2m 38s", "best 84% at 300", "early stop □□□□□ 0/5"]),
        ("evaluating", ["evaluating 37/100 episodes", "min_delta 0.1 is below"]),
        ("restarting", ["rank 1 was killed by signal 9; restarts in 17s"]),
        ("failed", ["CUDA out of memory on rank 0", "“torch.OutOfMemoryError", "→ Lower batch_size"]),
        ("succeeded", ["stopped early: no more improvement"]),
        ("stopped", ["asked for by ada"]),
    ],
)
async def test_the_header_tells_each_state(dashboard: Make, runs: Runs, name: str, shown: list[str]) -> None:
    app = dashboard(wanted=runs[name].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, *shown)


async def test_an_empty_home_says_how_to_start(dashboard: Make, home: Home) -> None:
    home.prepare()
    app = dashboard()
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "No runs yet.", "n starts one", "vlad start --config configs/demo.yaml")


async def test_an_unreadable_run_is_listed_and_says_what_is_wrong(dashboard: Make, runs: Runs) -> None:
    runs["failed"].state.write_bytes(b"")
    runs["failed"].events.write_bytes(b"")
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "unreadable")
        await select(pilot, runs["failed"])
        await until_shown(pilot, "neither a readable state.json nor a journal")


async def test_a_name_that_holds_escapes_reaches_no_terminal(dashboard: Make, home: Home) -> None:
    home.prepare()
    run = training_run(home)
    run.event(Moved, state=State.STOPPING, why="\x1b]0;owned\x07by \x1b[2J[red]nobody")
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "by [red]nobody")
        assert "\x1b" not in screen_text(app)


async def test_new_steps_and_states_appear_by_themselves(dashboard: Make, home: Home) -> None:
    home.prepare()
    run = training_run(home)
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "315/500", "step 315 loss")
        run.steps(316, 333)
        run.log(b"step 333 is here\n")
        await until_shown(pilot, "333/500", "step 333 is here")
        run.event(Moved, state=State.STOPPING, why="asked for")
        await until_shown(pilot, "stopping")


async def test_a_new_run_appears_and_the_cursor_stays_where_it_was(dashboard: Make, home: Home, runs: Runs) -> None:
    from fake_runs import FakeRun

    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        FakeRun(home, "20261122-1200-brand_new-0003", age_s=1)
        await until_shown(pilot, "brand_new")
        assert app.screen.query_one(RunTable).cursor_key == runs["training"].run_id


@pytest.mark.parametrize("size", [(1, 1), (10, 3), (40, 10), (80, 24), (200, 50), (250, 70)])
async def test_every_size_is_borne_on_every_tab(dashboard: Make, runs: Runs, size: tuple[int, int]) -> None:
    app = dashboard()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen_of_runs.view.runs)
        for key in ("2", "3", "4", "5", "6", "1", "z", "z"):
            await pilot.press(key)
        await pilot.resize_terminal(size[1] + 1, size[0] + 1)
        await pilot.pause()
        assert app.is_running


async def test_a_leftover_that_still_holds_a_gpu_is_named_as_long_as_it_lives(
    dashboard: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No grace at all makes any process one that cannot be ended."""
    gpus, lab = fake_gpus(tmp_path, 1, monkeypatch), Lab(tmp_path)
    script = f"setsid sleep 600 & echo $!; while ! test -e {tmp_path}/gate; do sleep 0.02; done"
    run = lab.start("bash", "-c", script, stop=StopLadder(request_grace_s=0, term_grace_s=0, kill_grace_s=0))
    try:
        run.until_state(State.RUNNING)
        pid = int(until_so(lambda: run.console().partition("\n")[0], "the pid of what is left behind"))
        gpus.hold(0, pid, gib=3)
        (tmp_path / "gate").touch()
        run.until_ended()
        app = dashboard(wanted=run.directory.run_id)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await until_shown(pilot, f"process {pid} (sleep) still holds GPU 0 (3.0 GiB)")
            os.kill(pid, signal.SIGKILL)
            app.session.threads.look()
            await until(pilot, lambda: "still holds" not in screen_text(app), "its end")
    finally:
        lab.close()
