"""vlad wait: until runs have ended."""

import time
from argparse import ArgumentParser, Namespace

from vlad.commands.command import Command, add_json, add_runs, found_run, print_json, say
from vlad.commands.outcome import OUTCOMES, exit_code, in_words
from vlad.commands.seconds import seconds
from vlad.commands.watching.follow import wait_until_ended

TIMED_OUT = 124


def _add(parser: ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help=f"give up after so long: exit {TIMED_OUT}")
    add_json(parser)
    parser.description = f"{parser.description}\n{OUTCOMES}; of several runs the first that is not 0."


def _run(arguments: Namespace) -> int:
    runs = [found_run(wanted) for wanted in arguments.runs]
    deadline = None if arguments.timeout is None else time.monotonic() + arguments.timeout
    records = [wait_until_ended(run, deadline) for run in runs]
    ended = [record for record in records if record is not None]
    if arguments.json:
        print_json(
            [
                {"run_id": one.run_id, "state": one.state, "reason": one.reason, "exit_code": exit_code(one)}
                for one in ended
            ]
        )
    for record in ended:
        if not arguments.json:
            say(in_words(record))
    if len(ended) < len(records):
        say(f"not all have ended after {arguments.timeout:g} s")
        return TIMED_OUT
    return next((code for record in ended if (code := exit_code(record))), 0)


WAIT = Command(
    run=_run,
    add=_add,
    examples="""
    vlad wait last && echo done
    vlad wait spatial goal --timeout 3600
    """,
)
