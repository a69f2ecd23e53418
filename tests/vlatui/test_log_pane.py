"""The Log tab: follows, pauses, searches, filters, goes back to older attempts; any file, any size."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import FakeRun, training_run
from screen_text import screen_text, until, until_shown, widget_text
from textual.pilot import Pilot
from textual.widgets import Input
from vlad.records.rundir import Home
from vlatui import logreader
from vlatui.app import VlatuiApp
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.log_view import LogView
from vlatui.widgets.run_table import RunTable

Make = Callable[..., VlatuiApp]
SIZE = (100, 30)


@pytest.fixture
def run(home: Home) -> FakeRun:
    """A run whose log has 1000 numbered lines; every hundredth is a warning."""
    home.prepare()
    run = training_run(home)
    run.directory.attempt(1).console.unlink()
    lines = [f"{'WARN' if number % 100 == 0 else 'info'} line {number}" for number in range(1, 1001)]
    run.log("\n".join(lines).encode() + b"\n")
    return run


def view_of(app: VlatuiApp) -> LogView:
    return app.screen_of_runs.query_one(LogView)


async def open_log(pilot: Pilot[None]) -> None:
    """The end of the log is shown and the log has the focus."""
    await until_shown(pilot, "line 1000")
    await pilot.press("enter")
    await until(pilot, lambda: view_of(pilot.app).has_focus)


async def ask(pilot: Pilot[None], key: str, text: str) -> None:
    """Types an answer into the prompt that `key` opens."""
    await pilot.press(key)
    prompt = pilot.app.screen.query_one("#log-prompt", Input)
    prompt.value = text
    await pilot.press("enter")


async def test_the_log_is_followed_from_its_end(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "line 1000", "● following", "1,000 lines")
        run.log(b"one more\n")
        await until_shown(pilot, "one more", "1,001 lines")


async def test_scrolling_up_pauses_and_says_so_and_g_goes_to_both_ends(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await pilot.press("k")
        await until_shown(pilot, "❚❚ paused, f follows")
        run.log(b"while paused\n")
        await until_shown(pilot, "1,001 lines")
        assert "while paused" not in screen_text(app)
        await pilot.press("g")
        await until(pilot, lambda: widget_text(view_of(app)).startswith("info line 1\n"))
        await pilot.press("G")
        await until_shown(pilot, "while paused", "● following")


async def test_coming_back_to_the_end_by_hand_follows_again(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await pilot.press("k", "k")
        await until_shown(pilot, "paused")
        await pilot.press("j", "j")
        await until_shown(pilot, "● following")


async def test_a_larger_window_does_not_pause(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await pilot.resize_terminal(120, 60)
        await until(pilot, lambda: view_of(app).size.height > 30)
        await until_shown(pilot, "line 1000", "● following")


async def test_a_line_that_grows_is_shown_as_it_grows(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "line 1000")
        run.log(b"half a ")
        await until_shown(pilot, "half a")
        run.log(b"line\n")
        await until_shown(pilot, "half a line")


async def test_a_progress_bar_is_shown_in_its_last_state(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "line 1000")
        run.log(b"\r 10%|#   |\r 20%|##  |")
        await until_shown(pilot, "20%|##  |")
        assert "10%" not in widget_text(view_of(app))


async def test_search_goes_backwards_from_the_end_and_counts(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "warn line")
        await until_shown(pilot, "match 10 of 10", "WARN line 1000")
        await pilot.press("N")
        await until_shown(pilot, "match 9 of 10", "WARN line 900")
        await pilot.press("n", "n")
        await until_shown(pilot, "match 1 of 10", "WARN line 100")
        await pilot.press("escape")
        await until(pilot, lambda: "match" not in screen_text(app))


async def test_n_starts_a_new_run_where_nothing_is_searched(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await pilot.press("n")
        await until_shown(pilot, "New run")


async def test_a_search_without_a_match_says_so(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "zebra")
        await until_shown(pilot, "no match for 'zebra'")


async def test_a_bad_pattern_is_refused_in_words(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "[")
        await until_shown(pilot, "'[' is no regular expression")


async def test_a_filter_shows_only_matching_lines(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "ampersand", "WARN")
        await until_shown(pilot, "only 'WARN'", "WARN line 100")
        assert widget_text(view_of(app)).split("\n")[:10] == [f"WARN line {number}00" for number in range(1, 11)]
        await pilot.press("escape")
        await until_shown(pilot, "info line 999")


async def test_a_line_is_gone_to_by_its_number(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "colon", "500")
        await until_shown(pilot, "WARN line 500", "paused")
        await ask(pilot, "colon", "five")
        await until_shown(pilot, "'five' is neither a line nor a step")


async def test_wrapping_shows_the_end_of_long_lines(dashboard: Make, run: FakeRun) -> None:
    run.log(b"start " + b"x" * 300 + b" the very end\n")
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "start xxx")
        assert "the very end" not in screen_text(app)
        await pilot.press("enter", "W")
        await until_shown(pilot, "the very end", "wrapped")
        await pilot.press("g")
        await until(pilot, lambda: widget_text(view_of(app)).startswith("info line 1\n"))


async def test_the_right_part_of_a_long_line_is_reached_by_scrolling(dashboard: Make, run: FakeRun) -> None:
    run.log(b"start " + b"x" * 120 + b" the very end\n")
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "start xxx")
        await pilot.press("enter", *["l"] * 15)
        await until_shown(pilot, "the very end")


async def test_older_attempts_are_one_key_away_and_a_new_one_is_shown_by_itself(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        run.log(b"second attempt\n", attempt=2)
        run.steps(316, 317)
        await until_shown(pilot, "second attempt", "attempt 2 of 2")
        await pilot.press("left_square_bracket")
        await until_shown(pilot, "line 1000", "attempt 1 of 2")
        await pilot.press("right_square_bracket")
        await until_shown(pilot, "second attempt")


async def test_a_truncated_log_is_read_anew(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "line 1000")
        run.directory.attempt(1).console.write_bytes(b"after the cut\n")
        await until_shown(pilot, "after the cut", "1 line ")


async def test_a_log_that_cannot_be_read_says_so(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(logreader.LogFile, "look", refused)
    app = dashboard()
    async with app.run_test(size=(200, 30)) as pilot:
        await until_shown(pilot, "cannot be read: Permission denied")


async def test_the_tail_is_shown_before_the_index_and_keeps_its_place(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logreader, "TAIL_FIRST_BYTES", 100)
    monkeypatch.setattr(logreader, "SLICE_BYTES", 64)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "line 1000", "1,000 lines")
        await pilot.press("enter", "g")
        await until(pilot, lambda: widget_text(view_of(app)).startswith("info line 1\n"))


@pytest.mark.parametrize(
    "content",
    [
        b"\x1b]0;title\x07plain\n",
        b"\x1b[2J\x1b[H\x9b5mplain\n",
        b"\x1b[?1049hplain\x07\x08\x7f\n",
        b"\xff\xfe\x00plain\n",
    ],
)
async def test_no_escape_of_a_log_reaches_the_terminal(dashboard: Make, run: FakeRun, content: bytes) -> None:
    run.log(content)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "plain")
        assert not any(ord(character) < 32 and character != "\n" for character in screen_text(app))


async def test_y_copies_what_is_on_screen_and_shift_y_the_path(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await pilot.press("y")
        assert app.clipboard.endswith("info line 999\nWARN line 1000")
        await pilot.press("Y")
        assert app.clipboard == str(run.directory.attempt(1).console)


async def test_a_flood_is_followed_and_keys_are_still_answered(dashboard: Make, run: FakeRun) -> None:
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        console = run.directory.attempt(1).console
        with console.open("ab") as file:
            for part in range(8):
                file.write(b"".join(b"flood %d\n" % (part * 10_000 + line) for line in range(10_000)))
                file.flush()
                await pilot.press("2", "1")
        await until_shown(pilot, "flood 79999", "81,000 lines")
        assert len(view_of(app)._lines) < 10_000


async def test_a_log_of_another_run_forgets_the_search(dashboard: Make, run: FakeRun, home: Home) -> None:
    other = FakeRun(home, "20261122-0930-other-0001", age_s=900)
    other.log(b"the other log\n")
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await open_log(pilot)
        await ask(pilot, "slash", "WARN")
        await until_shown(pilot, "match 10 of 10")
        app.screen.query_one(RunTable).move_cursor_to(other.directory.run_id)
        await until_shown(pilot, "the other log")
        assert "match" not in screen_text(app)
        assert app.screen.query_one(LogPane).view.pattern is None


async def test_a_run_without_a_log_says_so(dashboard: Make, home: Home, tmp_path: Path) -> None:
    home.prepare()
    FakeRun(home, "20261122-0930-other-0001", age_s=900)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "This run has written no log yet.")


async def test_a_step_is_gone_to_by_its_number(dashboard: Make, run: FakeRun) -> None:
    run.log(b"".join(b"[train] step %d loss 0.5\n" % step for step in range(1, 300)))
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 299")
        await pilot.press("enter")
        await ask(pilot, "colon", "step 120")
        await until_shown(pilot, "match 1 of 1", "step 120 loss")


async def test_a_log_outside_the_runs_folder_is_followed(dashboard: Make, run: FakeRun, tmp_path: Path) -> None:
    outside = tmp_path / "outside.log"
    outside.write_text("written by somebody\n")
    console = run.directory.attempt(1).console
    console.unlink()
    console.symlink_to(outside)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "written by somebody")
        with outside.open("a") as file:
            file.write("and more of it\n")
        await until_shown(pilot, "and more of it")


async def test_a_pager_that_cannot_be_opened_says_so(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "no-such-pager")
    app = dashboard()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_log(pilot)
        await pilot.press("v")
        await until(pilot, lambda: any("no-such-pager" in notice.message for notice in app._notifications))
