"""vlad attach: the terminal of a run that has one, in this terminal."""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from socket import socket

from vlad.commands.command import CliError, Command, add_run, found_run, say
from vlad.commands.outcome import OUTCOMES, exit_code, in_words
from vlad.commands.watching.viewer import Left, Viewer
from vlad.host.terminal_link import connect
from vlad.host.user_config import read_user_config
from vlad.records.run import RunRecord
from vlad.records.rundir import RunDirectory

PATIENCE_S = 8.0
RETRY_S = 0.1
CONTROL = 0x1F
DETACHED = 0


def _add(parser: ArgumentParser) -> None:
    parser.description = (
        f"{parser.description}\nThe run must have been started with --tty. Detaching leaves it running; several may be "
        f"attached at once.\nAt the run's end, {OUTCOMES}."
    )
    add_run(parser)
    parser.add_argument("--readonly", action="store_true", help="only look: nothing that is typed reaches the run")
    parser.add_argument(
        "--detach-key", metavar="KEY",
        help="what detaches, for example ctrl-a (default: ctrl-], or attach.detach_key of vlad's configuration)",
    )  # fmt: skip


def _run(arguments: Namespace) -> int:
    return attach(found_run(arguments.run), arguments.detach_key, readonly=arguments.readonly)


def attach(run: RunDirectory, asked_key: str | None = None, *, readonly: bool = False) -> int:
    """Until the user detaches or the run has ended; the exit code to leave with. Raises CliError where it cannot be."""
    key = asked_key or read_user_config().attach.detach_key
    code = key_code(key)
    _refuse_unattachable(run)
    say(f"attached to {run.run_id}; " + (f"read-only: {key}, ctrl-c or q detaches" if readonly else f"{key} detaches"))
    viewer = Viewer(code, readonly=readonly)
    try:
        record = _look(run, viewer)
    finally:
        viewer.restore()
    if record is not None:
        return _told_end(record)
    say(f"detached; the run goes on: vlad attach {run.run_id}")
    return DETACHED


def _look(run: RunDirectory, viewer: Viewer) -> RunRecord | None:
    """The run, where it has ended; None where the user detached. Who serves the terminal may be replaced meanwhile."""
    while viewer.view(_connected(run)) is Left.CONNECTION_LOST:
        if (record := _ended(run)) is not None:
            return record
    return None


def key_code(key: str) -> int:
    """The byte that a terminal sends for ctrl-X. Raises CliError."""
    name, _, character = key.lower().partition("-")
    if name not in ("ctrl", "c", "^") or len(character) != 1 or not ("a" <= character <= "z" or character in "[\\]^_"):
        raise CliError(f"detach key {key!r} is none: ctrl- with a letter or one of [ \\ ] ^ _")
    return ord(character.upper()) & CONTROL


def _refuse_unattachable(run: RunDirectory) -> None:
    if not run.read_spec().has_terminal:
        raise CliError(
            f"{run.run_id} was started without --tty and has no terminal; `vlad logs -f {run.run_id}` follows it, "
            "`vlad start --tty` starts one to attach to"
        )
    record = run.read_record()
    if record.state.is_final:
        raise CliError(f"{run.run_id} is {record.state} already; `vlad logs {run.run_id}` shows what it said")
    if not (os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno())):
        raise CliError(f"attach needs a terminal; `vlad logs -f {run.run_id}` follows the run without one")


def _connected(run: RunDirectory) -> socket:
    """Whoever serves the terminal may just be made, or replaced. Raises CliError where nobody comes."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return connect(run.terminal_socket)
        except OSError as error:
            if time.monotonic() > deadline or run.read_record().state.is_final:
                raise CliError(
                    f"nobody serves the terminal of {run.run_id} ({error.strerror}); is it looked after? `vlad show`"
                ) from error
            time.sleep(RETRY_S)


def _ended(run: RunDirectory) -> RunRecord | None:
    """The run, where it has ended: the supervisor writes so before the connection ends."""
    record = run.read_record()
    return record if record.state.is_final else None


def _told_end(record: RunRecord) -> int:
    say(in_words(record))
    return exit_code(record)


ATTACH = Command(
    run=_run,
    add=_add,
    examples="""
    vlad start --tty -- python -i my_script.py
    vlad attach last
    vlad attach last --readonly
    vlad attach last --detach-key ctrl-a
    """,
)
