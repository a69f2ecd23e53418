"""The log of a run in the dashboard: opening it, asking of it."""

from fake_runs import FakeRun, training_run
from screen_text import until, until_shown
from textual.pilot import Pilot
from textual.widgets import Input
from vlad.records.rundir import Home
from vlatui.app import VlatuiApp
from vlatui.widgets.log_view import LogView


def numbered_run(home: Home) -> FakeRun:
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
    await until(pilot, lambda: pilot.app.screen.query_one(LogView).has_focus)


async def ask(pilot: Pilot[None], key: str, text: str) -> None:
    """Types an answer into the prompt that `key` opens."""
    await pilot.press(key)
    prompt = pilot.app.screen.query_one("#log-prompt", Input)
    prompt.value = text
    await pilot.press("enter")
