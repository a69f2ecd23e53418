"""vlad serve: answers a dashboard on another host over stdin and stdout, as `ssh HOST vlad serve --stdio`."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from vlad.commands.command import CliError, Command, our_home


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("--stdio", action="store_true", help="speak over stdin and stdout (the only way there is)")
    parser.add_argument("--readonly", action="store_true", help="answer, but change nothing")


def _run(arguments: Namespace) -> int:
    from importlib.metadata import version

    from vlad.remote.frames import BrokenFrame
    from vlad.remote.server import Server
    from vlad.remote.session import Session, hello
    from vlad.remote.verbs import Verbs

    if not arguments.stdio:
        raise CliError("vlad serve listens on no port: say --stdio, and let ssh connect (`vlatui user@host`)")
    if sys.stdin.isatty():
        raise CliError("vlad serve speaks to programs, not to a terminal: `vlatui user@host` starts it by itself")
    home = our_home().prepare()
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed must not break into a message
    session = Session(home, Verbs(home, str(Path.cwd()), arguments.readonly))
    try:
        Server(session, sys.stdin.fileno(), answers).run(hello(home, version("vlatui")))
    except BrokenFrame as error:
        raise CliError(f"stdin: {error}") from error
    finally:
        os.close(answers)
    return 0


SERVE = Command(
    run=_run,
    add=_add,
    examples="""
    vlatui ada@gpubox                      starts it there by itself
    ssh ada@gpubox vlad serve --stdio      what it starts
    """,
)
