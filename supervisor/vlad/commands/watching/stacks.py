"""vlad stacks: where the processes of a run are in their code, now."""

import sys
from argparse import ArgumentParser, Namespace

import msgspec

from vlad.commands.command import CliError, Command, add_json, add_run, found_run, print_json, say
from vlad.commands.text import safe
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.rundir import RunDirectory


def _add(parser: ArgumentParser) -> None:
    parser.description = (
        f"{parser.description}\nBy py-spy where it is installed and may read them, else by the programs themselves, if "
        "they use vlad.report\n(our trainer does). The run is not disturbed."
    )
    add_run(parser)
    parser.add_argument("--brief", action="store_true", help="only the innermost calls of each main thread")
    add_json(parser)


def _run(arguments: Namespace) -> int:
    from vlad.policy.stack_frames import evidence_of
    from vlad.supervise.stack_dump import dump, new_dump_file

    run = found_run(arguments.run)
    file = new_dump_file(_live_attempt(run))
    text = dump(run, file)
    evidence = evidence_of(text, str(file), most=1 << 10)
    if arguments.json:
        print_json({"file": str(file), "stands": msgspec.to_builtins(evidence)})
    else:
        print("\n".join(one.text for one in evidence) if arguments.brief else safe(text).rstrip())
        sys.stdout.flush()
        say(f"kept in {file}")
    return 0


def _live_attempt(run: RunDirectory) -> AttemptDirectory:
    record, attempt = run.read_record(), run.newest_attempt()
    if record.state.is_final or attempt is None or record.attempt is None or record.attempt.exit is not None:
        raise CliError(f"{run.run_id} is {record.state}: it has no process now; `vlad why` tells how it ended")
    return attempt


STACKS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad stacks last              every thread of every rank, innermost call first
    vlad stacks spatial --brief   where each rank stands, a line each
    """,
)
