"""vlad logs: the log of a run, its end or whole, once or as it grows."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from vlad.commands.command import CliError, Command, add_run, found_run
from vlad.commands.outcome import exit_code
from vlad.commands.output import output_to
from vlad.commands.watching.follow import LogFollower, follow_until_end, tail_offset
from vlad.records.rundir import RunDirectory

LINES_ON_TERMINAL = 200
ALL_LINES = -1
DETACHED = 130


def _lines(text: str) -> int:
    if text == "all":
        return ALL_LINES
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is neither a number of lines nor `all`")
    return int(text)


def _add(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on, across restarts, until the run has ended")
    parser.add_argument(
        "-n", "--lines", type=_lines, metavar="N",
        help=f"the last N lines, or `all` (default: {LINES_ON_TERMINAL} on a terminal, else all)",
    )  # fmt: skip
    parser.add_argument("--attempt", type=int, metavar="K", help="the log of attempt K instead of the last one")


def _run(arguments: Namespace) -> int:
    run = found_run(arguments.run)
    attempt = _attempt(run, arguments.attempt)
    console = run.attempt(attempt).console
    offset = _offset(console, arguments.lines)
    output = output_to(sys.stdout)
    if arguments.follow:
        record = follow_until_end(run, attempt, offset, output)
        return DETACHED if record is None else exit_code(record)
    LogFollower(console, offset).copy_new(output)
    output.end()
    return 0


def _attempt(run: RunDirectory, asked: int | None) -> int:
    """Raises CliError for an attempt that there is not."""
    record = run.read_record()
    newest = record.attempt.number if record.attempt else 1
    if asked is not None and not 1 <= asked <= newest:
        raise CliError(f"--attempt {asked}: {run.run_id} has the attempts 1 to {newest}")
    return asked or newest


def _offset(console: Path, lines: int | None) -> int:
    if lines is None:
        lines = LINES_ON_TERMINAL if sys.stdout.isatty() else ALL_LINES
    return 0 if lines == ALL_LINES else tail_offset(console, lines)


LOGS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad logs last                    the end of the newest run's log
    vlad logs -f spatial              follow it until the run has ended; Ctrl-C only stops following
    vlad logs -n all --attempt 1 spatial > first.log
    """,
)
