"""What the keys do to runs."""

import msgspec
import pytest
from dashboards import SIZE, FakeVlad, Make, Runs, requests_of, select, until_read, until_told
from fake_runs import training_run
from screen_text import screen_text, until, until_shown
from vlad.records.requests import Action
from vlad.records.rundir import Home
from vlad.records.spec import Kind
from vlatui.screens.confirm import ConfirmScreen
from vlatui.sites.vlad import Answer


async def test_s_asks_and_then_writes_a_stop_request(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("s")
        await until_shown(pilot, "Stop tabletop_demo?", "Nothing is lost")
        assert requests_of(runs["training"]) == []
        await pilot.press("y")
        await until(pilot, lambda: requests_of(runs["training"]) == [Action.STOP])
        await until_told(pilot, "tabletop_demo is asked to stop")


async def test_a_command_of_others_is_promised_no_checkpoint(dashboard: Make, home: Home) -> None:
    run = training_run(home.prepare())
    spec = msgspec.structs.replace(run.directory.read_spec(), kind=Kind.COMMAND)
    run.directory.spec.write_bytes(msgspec.json.encode(spec))
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "step 315 loss")
        await pilot.press("s")
        await until_shown(pilot, "Stop tabletop_demo?", "It is told to end (SIGTERM)", "r starts its command again.")
        assert "checkpoint is saved" not in screen_text(app)
        await pilot.press("n", "c")
        await until_told(pilot, "tabletop_demo is asked to save a checkpoint; of programs of others only those")


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_a_stop_can_be_declined(dashboard: Make, runs: Runs, key: str) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("s", key)
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        assert requests_of(runs["training"]) == []


async def test_enter_which_ends_what_was_typed_for_a_prompt_stops_nothing(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("s", "enter")
        assert isinstance(app.screen, ConfirmScreen)
        assert requests_of(runs["training"]) == []


async def test_stop_now_says_how_many_steps_are_lost(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("S")
        await until_shown(pilot, "without saving?", "tabletop_demo: 15 steps since the last checkpoint")
        await pilot.press("y")
        await until(pilot, lambda: requests_of(runs["training"]) == [Action.STOP_NOW])


async def test_marked_runs_are_stopped_together(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("space", "space", "s")
        await until_shown(pilot, "Stop 2 runs?")
        await pilot.press("y")
        await until(pilot, lambda: requests_of(runs["evaluating"]) == [Action.STOP])
        assert requests_of(runs["training"]) == [Action.STOP]
        assert requests_of(runs["restarting"]) == []


@pytest.mark.parametrize(("key", "action"), [("c", Action.SAVE), ("e", Action.EVALUATE)])
async def test_save_and_evaluate_are_asked_at_once(dashboard: Make, runs: Runs, key: str, action: Action) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press(key)
        await until(pilot, lambda: requests_of(runs["training"]) == [action])


async def test_r_resumes_a_run_that_has_ended(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, wanted=runs["failed"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "CUDA out of memory on rank 0")
        await pilot.press("r")
        await until(pilot, lambda: vlad.asked == [["resume", runs["failed"].run_id]])
        await until_told(pilot, "libero_object goes on")


async def test_what_vlad_refuses_is_shown_in_its_words(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad(Answer(False, "vlad: no adapter in /work/vla [dim]"))
    app = dashboard(vlad=vlad, wanted=runs["failed"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "CUDA out of memory on rank 0")
        await pilot.press("r")
        await until_told(pilot, "no adapter in /work/vla [dim]")


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("failed", "s", "libero_object is failed: only a live run can stop"),
        ("training", "r", "tabletop_demo is running: only a finished run can be resumed"),
        ("restarting", "c", "libero_goal is backoff: only a running run can save"),
    ],
)
async def test_what_cannot_be_done_says_why(dashboard: Make, runs: Runs, name: str, key: str, words: str) -> None:
    app = dashboard(vlad=FakeVlad())
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await select(pilot, runs[name])
        await pilot.press(key)
        await until_told(pilot, words)
        assert requests_of(runs[name]) == []


async def test_reading_only_offers_nothing_that_changes_a_run(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, readonly=True, adopts=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "read only")
        await pilot.press("s", "S", "r", "n", "c", "e")
        await pilot.pause()
        assert app.screen is app.screen_of_runs
        assert requests_of(runs["training"]) == []
        assert vlad.asked == []
        assert "Stop" not in screen_text(app).splitlines()[-1]


async def test_w_shows_the_whole_diagnosis(dashboard: Make, runs: Runs) -> None:
    app = dashboard(wanted=runs["failed"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "CUDA out of memory on rank 0")
        await pilot.press("w")
        await until_shown(pilot, "Why · libero_object", "attempts/1/console.log @ 1,204")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.screen_of_runs)


async def test_w_without_a_run_says_so(dashboard: Make, home: Home) -> None:
    home.prepare()
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "No runs yet.")
        await pilot.press("w")
        await until_told(pilot, "no run is selected")


async def test_shift_d_removes_ended_runs_after_asking(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, wanted=runs["failed"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "CUDA out of memory on rank 0")
        await pilot.press("D")
        await until_shown(pilot, "Remove libero_object?", "Its checkpoints stay.")
        await pilot.press("y")
        await until(pilot, lambda: vlad.asked == [["rm", runs["failed"].run_id]])


async def test_a_live_run_is_not_removed(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("D")
        await until_told(pilot, "only a finished run can be removed")
        assert vlad.asked == []


async def test_shift_t_shows_where_the_processes_are(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad(Answer(True, "kept", 'rank 0\n  File "loop.py", line 12, in train\n'))
    app = dashboard(vlad=vlad)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("T")
        await until_shown(pilot, "Stacks · tabletop_demo", "loop.py")
        assert vlad.asked == [["stacks", runs["training"].run_id]]


async def test_stacks_that_cannot_be_read_say_why(dashboard: Make, runs: Runs) -> None:
    app = dashboard(vlad=FakeVlad(Answer(False, "vlad: py-spy may not read them [ptrace]")))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("T")
        await until_told(pilot, "py-spy may not read them [ptrace]")


@pytest.mark.parametrize(("key", "words"), [("t", "only a live run can be attached to"), ("T", "only a live run")])
async def test_an_ended_run_has_no_processes(dashboard: Make, runs: Runs, key: str, words: str) -> None:
    app = dashboard(wanted=runs["failed"].run_id, vlad=FakeVlad())
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "CUDA out of memory on rank 0")
        await pilot.press(key)
        await until_told(pilot, words)
