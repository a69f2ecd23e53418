"""vlad adapters: the adapters on this host that a run can go on from."""

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import msgspec

from vlad.commands.command import RUN_HELP, CliError, Command, add_json, found_run, our_home, print_json, say
from vlad.commands.text import Column, Ink, Tone, table, terminal_columns
from vlad.records import figures
from vlad.records.adapters import Adapter, checkpoint_folders, evaluations_of, find_adapters
from vlad.records.rundir import RunDirectory

RECENT = 30
OWN = "adapter-tmp"
COLUMNS = (
    Column(title="STEP", right=True),
    Column(title="SUCCESS", right=True),
    Column(title="SAVED", right=True),
    Column(title="ADAPTER"),
)


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("folders", metavar="DIR", nargs="*", type=Path, help="look below these too")
    parser.add_argument("--run", metavar="RUN", help=f"only those beside the checkpoints of {RUN_HELP}")
    add_json(parser)


def _run(arguments: Namespace) -> int:
    found = _found(arguments.folders, arguments.run)
    if arguments.json:
        print_json(msgspec.to_builtins(found, enc_hook=str))
    elif found:
        ink = Ink.for_stream(sys.stdout)
        print(table(COLUMNS, [_row(one, time.time(), ink) for one in found], ink, terminal_columns(sys.stdout)))
    else:
        say(f"no adapter was found below {OWN} nor beside a checkpoint of a run; name a folder to look below")
    return 0


def _found(folders: list[Path], run: str | None) -> tuple[Adapter, ...]:
    """Below `folders`, beside the checkpoints of recent runs, and where the trainer saves them by default.

    Raises CliError for a folder that there is not.
    """
    folders = [folder.expanduser().absolute() for folder in folders]
    for folder in folders:
        if not folder.is_dir():
            raise CliError(f"{folder}: no such folder; `vlad adapters --run RUN` looks beside the checkpoints of a run")
    if run is not None:
        runs = [found_run(run)]
        return find_adapters([*folders, *checkpoint_folders(runs)], evaluations_of(runs))
    runs = _recent_runs()
    return find_adapters([*folders, *checkpoint_folders(runs), Path(OWN).absolute()], evaluations_of(runs))


def _recent_runs() -> list[RunDirectory]:
    home = our_home()
    return [home.run(run_id) for run_id in (*home.live_ids(), *home.newest_ended_ids(RECENT, with_parts=False))]


def _row(adapter: Adapter, now: float, ink: Ink) -> list[str]:
    success = figures.percent(adapter.success_rate)
    return [
        figures.count(adapter.step),
        f"{success} of {adapter.episodes}" if adapter.episodes else success,
        ink(f"{figures.age(now - adapter.saved_at)} ago", Tone.QUIET),
        str(adapter.path),
    ]


ADAPTERS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad adapters                       newest first; vlad start --resume takes any of them
    vlad adapters --run spatial
    vlad adapters /mnt/old-adapters --json
    """,
)
