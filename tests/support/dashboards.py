"""The dashboard under a test's fingers: a vlad that only remembers, waiting for what is read, told and selected."""

from collections.abc import Callable, Sequence

from screen_text import until, until_shown
from textual.app import App
from textual.pilot import Pilot
from vlad.records.requests import Action, pending_requests
from vlad.records.rundir import Home, RunDirectory
from vlatui.app import VlatuiApp
from vlatui.look.columns import Row
from vlatui.screens.new_run import NewRunScreen
from vlatui.sites.vlad import Answer, run_vlad
from vlatui.widgets.run_table import RunTable

Make = Callable[..., VlatuiApp]
Runs = dict[str, RunDirectory]
SIZE = (120, 36)

DONE = Answer(True, "done", "20261122-0931-tabletop_demo-7f3a\n")


class FakeVlad:
    """Remembers the command lines it was given, and answers; `answers` are those of single verbs."""

    def __init__(self, answer: Answer = DONE, *, real: Sequence[str] = (), **answers: Answer) -> None:
        """`real`: the verbs that vlad itself answers."""
        self.real = real
        self.answer = answer
        self.answers = answers
        self.asked: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], home: Home) -> Answer:
        self.asked.append(list(arguments))
        if arguments[0] in self.real:
            return run_vlad(arguments, home)
        return self.answers.get(arguments[0], self.answer)

    def asked_to(self, verb: str) -> list[list[str]]:
        """The command lines of one verb; a start that is only checked is none."""
        return [words for words in self.asked if words[0] == verb and "--dry-run" not in words]


async def until_read(pilot: Pilot[None]) -> None:
    """The runs are listed and the first one's log is shown."""
    await until_shown(pilot, "3 live", "step 315 loss")


async def until_form(pilot: Pilot[None]) -> None:
    """The form for a new run is there, with its fields."""
    await until(pilot, lambda: isinstance(pilot.app.screen, NewRunScreen) and pilot.app.screen.query("#field-nproc"))


def requests_of(run: RunDirectory) -> list[Action]:
    return [request.action for _, request in pending_requests(run.requests)]


async def until_told(pilot: Pilot[None], words: str) -> None:
    """A notice with these words appears."""
    await until(pilot, lambda: any(words in notice.message for notice in pilot.app._notifications), f"told {words!r}")


def run_rows(app: App[None]) -> list[Row]:
    """The rows of the table of runs, without headings."""
    return [row for row in app.screen.query_one(RunTable).rows if not row.heading]


def headings(app: App[None]) -> list[str]:
    """The headings of the table of runs, each with its count."""
    rows = app.screen.query_one(RunTable).rows
    return ["".join(span.text for span in row.heading).strip() for row in rows if row.heading]


async def select(pilot: Pilot[None], run: RunDirectory) -> None:
    pilot.app.screen.query_one(RunTable).move_cursor_to(run.run_id)
    await pilot.pause()
