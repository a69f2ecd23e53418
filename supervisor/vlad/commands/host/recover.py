"""vlad recover: goes on with runs that a restart of the host, a lost container or a kill of their guard interrupted."""

import os
from argparse import ArgumentParser, Namespace

from vlad.commands.command import Command, add_json, our_home, print_json, say
from vlad.records import figures
from vlad.supervise.adopt import adopt_orphans


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME",
        help="also runs of a host of this name, which this one was before (given for each name)",
    )  # fmt: skip
    parser.add_argument(
        "--any-host", action="store_true", help="runs of every host: only where no other uses this home"
    )
    add_json(parser)


def _run(arguments: Namespace) -> int:
    hosts = None if arguments.any_host else frozenset({os.uname().nodename, *arguments.host})
    found = adopt_orphans(our_home(), hosts)
    if arguments.json:
        print_json(found)
        return 0
    for run_id in found:
        print(run_id)
    say(f"{figures.plural(len(found), 'run')} looked after again" if found else "no run was interrupted")
    return 0


RECOVER = Command(
    run=_run,
    add=_add,
    examples="""
    vlad recover                  every vlad command that lists or follows runs does it, too
    vlad recover --host node-3    after this host was renamed
    """,
)
