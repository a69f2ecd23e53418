"""The Log tab: follows, pauses, searches, filters, goes back to older attempts; any file, any size."""

from collections.abc import Callable
from pathlib import Path

import pytest
import vlatui.log.reader as log_reader
from fake_runs import FakeRun
from logs import numbered_run, open_log, view_of
from screen_text import screen_text, until, until_shown, widget_text
from vlad.records.rundir import Home
from vlatui.app import VlatuiApp
from vlatui.log.file import LogFile

Make = Callable[..., VlatuiApp]
SIZE = (100, 30)


@pytest.fixture
def run(home: Home) -> FakeRun:
    """As of `numbered_run`."""
    return numbered_run(home)


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

    monkeypatch.setattr(LogFile, "look", refused)
    app = dashboard()
    async with app.run_test(size=(200, 30)) as pilot:
        await until_shown(pilot, "cannot be read: Permission denied")


async def test_the_tail_is_shown_before_the_index_and_keeps_its_place(
    dashboard: Make, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "TAIL_FIRST_BYTES", 100)
    monkeypatch.setattr(log_reader, "SLICE_BYTES", 64)
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
        await until(pilot, lambda: app.clipboard.endswith("info line 999\nWARN line 1000"))
        await pilot.press("Y")
        await until(pilot, lambda: app.clipboard == str(run.directory.attempt(1).console))


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


async def test_a_run_without_a_log_says_so(dashboard: Make, home: Home, tmp_path: Path) -> None:
    home.prepare()
    FakeRun(home, "20261122-0930-other-0001", age_s=900)
    app = dashboard()
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "This run has written no log yet.")


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
