"""The dashboard under the fingers: each key, each state, live changes; on real record files."""

from collections.abc import Callable, Sequence

import pytest
from fake_runs import training_run
from screen_text import screen_text, until, until_shown
from textual.pilot import Pilot
from textual.widgets import ContentSwitcher, Input
from vlad.records.requests import Action, pending_requests
from vlad.records.run import Moved, State
from vlad.records.rundir import Home, RunDirectory
from vlatui.actions import Answer
from vlatui.app import VlatuiApp
from vlatui.screens.confirm import ConfirmScreen
from vlatui.screens.new_run import NewRunScreen
from vlatui.screens.text import TextScreen
from vlatui.settings import Settings, load_settings
from vlatui.widgets.log_view import LogView
from vlatui.widgets.run_table import RunTable

Make = Callable[..., VlatuiApp]
Runs = dict[str, RunDirectory]
SIZE = (120, 36)


DONE = Answer(True, "done", "20261122-0931-tabletop_demo-7f3a\n")


class FakeVlad:
    """Remembers the command lines it was given, and answers."""

    def __init__(self, answer: Answer = DONE) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], home: Home) -> Answer:
        self.asked.append(list(arguments))
        return self.answer


async def until_read(pilot: Pilot[None]) -> None:
    """The runs are listed and the first one's log is shown."""
    await until_shown(pilot, "3 live", "step 315 loss")


def requests_of(run: RunDirectory) -> list[Action]:
    return [request.action for _, request in pending_requests(run.requests)]


async def until_told(pilot: Pilot[None], words: str) -> None:
    """A notice with these words appears."""
    await until(pilot, lambda: any(words in notice.message for notice in pilot.app._notifications), f"told {words!r}")


async def select(pilot: Pilot[None], run: RunDirectory) -> None:
    pilot.app.screen.query_one(RunTable).move_cursor_to(run.run_id)
    await pilot.pause()


# what is shown


async def test_every_run_is_listed_with_what_matters(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(160, 40)) as pilot:
        await until_read(pilot)
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


# live


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


# moving around


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("1", "step 315 loss"),
        ("2", "best 84%"),
        ("3", "smoothing 0.6"),
        ("4", "No process of this run is alive on this host."),
        ("5", "runs as process 4242"),
        ("6", "profile 4090_1gpu"),
    ],
)
async def test_digits_choose_tabs_and_the_choice_is_remembered(
    dashboard: Make, runs: Runs, key: str, shown: str
) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press(key)
        await until_shown(pilot, shown)
        current = app.screen.query_one(ContentSwitcher).current
        assert current is not None
        await until(pilot, lambda: key == "1" or load_settings(app.settings_path).tab == current.removesuffix("-pane"))


async def test_dot_and_comma_walk_through_the_tabs(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        switcher = app.screen.query_one(ContentSwitcher)
        for key, pane in ((".", "evaluations-pane"), (",", "log-pane"), (",", "config-pane")):
            await pilot.press({".": "full_stop", ",": "comma"}[key])
            assert switcher.current == pane


async def test_enter_goes_to_the_tab_and_escape_back_to_the_runs(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("enter")
        assert app.screen.query_one(LogView).has_focus
        await pilot.press("escape")
        assert app.screen.query_one(RunTable).has_focus


async def test_z_gives_the_whole_screen_to_the_selected_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("z")
        await until(pilot, lambda: "libero_object" not in screen_text(app))
        assert app.screen.query_one(LogView).has_focus
        await pilot.press("z")
        await until_shown(pilot, "libero_object")


async def test_moving_to_another_run_shows_its_log(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("j")
        await until_shown(pilot, "[eval] 37/100 episodes")
        await pilot.press("G")
        await until_shown(pilot, "stopped at step 77")
        await pilot.press("g")
        await until_shown(pilot, "step 315 loss")


async def test_slash_filters_while_typing_and_escape_clears(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("slash", *"object")
        await until(pilot, lambda: len(app.screen.query_one(RunTable).rows) == 1)
        await pilot.press("enter")
        assert app.screen.query_one(RunTable).cursor_key == runs["failed"].run_id
        assert not app.screen.query_one("#run-filter", Input).display
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen.query_one(RunTable).rows) == 6)


async def test_a_filter_that_nothing_fits_says_so(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("slash", *"zzz", "enter")
        await until_shown(pilot, "No run matches 'zzz'.", "escape clears the filter")


# acting


async def test_s_asks_and_then_writes_a_stop_request(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("s")
        await until_shown(pilot, "Stop tabletop_demo?", "Nothing is lost")
        assert requests_of(runs["training"]) == []
        await pilot.press("y")
        await until(pilot, lambda: requests_of(runs["training"]) == [Action.STOP])
        await until_told(pilot, "asked to stop")


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_a_stop_can_be_declined(dashboard: Make, runs: Runs, key: str) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("s", key)
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
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
        await until_told(pilot, "goes on")


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


async def test_orphans_are_adopted_at_the_start(dashboard: Make, runs: Runs) -> None:
    vlad = FakeVlad()
    app = dashboard(vlad=vlad, adopts=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: vlad.asked == [["ls", "--json"]])


async def test_w_shows_the_whole_diagnosis(dashboard: Make, runs: Runs) -> None:
    app = dashboard(wanted=runs["failed"].run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "CUDA out of memory on rank 0")
        await pilot.press("w")
        await until_shown(pilot, "Why · libero_object", "attempts/1/console.log @ 1,204")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.screen_of_runs)


async def test_f_pauses_and_follows_again_from_any_tab(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "● following")
        await pilot.press("f")
        await until_shown(pilot, "❚❚ paused, f follows")
        await pilot.press("2", "f")
        await until_shown(pilot, "● following")


async def test_the_help_tells_every_key_of_the_bindings(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(100, 100)) as pilot:
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
        await until(pilot, lambda: load_settings(app.settings_path).theme == "vlad-light")
    assert dashboard().theme == "vlad-light"


def test_strange_settings_mean_defaults(dashboard: Make, home: Home) -> None:
    app = dashboard()
    app.settings_path.parent.mkdir(parents=True)
    app.settings_path.write_bytes(b'{"theme": 7')
    assert load_settings(app.settings_path) == Settings()


async def test_q_quits_and_leaves_the_runs_alone(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        before = runs["training"].state.read_bytes()
        await pilot.press("q")
        await until(pilot, lambda: app._exit)
    assert runs["training"].state.read_bytes() == before
    assert requests_of(runs["training"]) == []


# starting


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


# sizes


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


async def test_d_fills_the_form_with_the_selected_run(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "Evaluations 7")
        await pilot.press("d")
        await until_shown(pilot, "--config configs/demo.yaml --name tabletop_demo --set learning_rate=0.0005")


# sorting, ends, removing


async def test_o_sorts_and_remembers(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_read(pilot)
        await pilot.press("o")
        await until_shown(pilot, "by name")
        names = [row.cells["name"][0].text for row in app.screen.query_one(RunTable).rows]
        assert names == [*sorted(names[:3]), *sorted(names[3:])]
        await until(pilot, lambda: load_settings(app.settings_path).sort == "name")
        await pilot.press("o")
        await until_shown(pilot, "by success")
        assert app.screen.query_one(RunTable).rows[0].key == runs["training"].run_id


async def test_a_run_that_ends_is_told_and_rung_for_where_wanted(
    dashboard: Make, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.prepare()
    run = training_run(home)
    app = dashboard()
    rung: list[str] = []
    monkeypatch.setattr(app, "bell", lambda: rung.append("bell"))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "1 live", "step 315 loss")
        await pilot.press("B")
        await until_told(pilot, "the bell rings")
        run.event(Moved, state=State.FAILED, why="the disk is full")
        run.end()
        await until_told(pilot, "tabletop_demo failed: the disk is full")
        assert rung == ["bell"]


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
