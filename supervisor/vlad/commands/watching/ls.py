"""vlad ls: the runs, live ones first."""

import sys
import time
from argparse import ArgumentParser, Namespace

from vlad.commands.command import Command, add_json, our_home, print_json, say
from vlad.commands.text import Ink, table, terminal_columns
from vlad.commands.watching.overview import COLUMNS, Overview, rows
from vlad.records.files import RecordError
from vlad.records.rundir import Home
from vlad.supervise.adopt import adopt_orphans

RECENT = 5


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"every run that ended, not only the last {RECENT} that are no part of another",
    )
    add_json(parser)


def _run(arguments: Namespace) -> int:
    """Of history only names are read. What the parts of a run came to is told by that run: ended ones are left out."""
    home = our_home()
    adopt_orphans(home)
    most = None if arguments.all else RECENT
    overviews = _overviews(home, [*home.live_ids(), *home.newest_ended_ids(most, with_parts=False)])
    if arguments.json:
        print_json([one.as_json() for one in overviews])
    elif overviews:
        ink = Ink.for_stream(sys.stdout)
        print(table(COLUMNS, rows(overviews, ink), ink, terminal_columns(sys.stdout)), flush=True)
        if most is not None and len(home.newest_ended_ids(most + 1, with_parts=False)) > most:
            say("runs that ended earlier are left out; `vlad ls --all` lists them")
    else:
        say(f"there are no runs in {home.path}; `vlad start` starts one")
    return 0


def _overviews(home: Home, run_ids: list[str]) -> list[Overview]:
    """These runs, live ones first, each newest first."""
    at = time.time()
    found = []
    for run_id in run_ids:
        if not (home.runs / run_id).exists():
            continue  # it is just being made, or was just removed
        try:
            found.append(Overview.read(home.run(run_id), at))
        except RecordError as error:
            say(str(error))
    return sorted(found, key=lambda one: (not one.is_live, -one.record.created_at))


LS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad ls               live runs and the last few that ended
    vlad ls --all
    vlad ls --json | jq '.[] | {run_id, state, step: .progress.step}'
    """,
)
