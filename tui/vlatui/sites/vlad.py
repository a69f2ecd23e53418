"""What the dashboard may do to runs: put a request file, or run `vlad`. Touches the disk and starts processes."""

import getpass
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlad.host import own_command
from vlad.records.requests import Action, send_request
from vlad.records.rundir import Home, RunDirectory

from vlatui.look.words import tr

SAID = {
    Action.STOP: "asked to stop",
    Action.STOP_NOW: "asked to stop now",
    Action.SAVE: "asked to save a checkpoint",
    Action.EVALUATE: "asked to evaluate",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What `vlad` said: one line for the user, and whether it did what was asked."""

    is_done: bool
    words: str
    output: str = ""


Vlad = Callable[[Sequence[str], Home], Answer]


def ask(run: RunDirectory, action: Action) -> str:
    """Puts a request; returns what to tell the user. Raises OSError."""
    send_request(run.requests, action, asker())
    return SAID[action]


def asker() -> str:
    return f"vlatui, {getpass.getuser()}@{socket.gethostname()}"


def run_vlad(arguments: Sequence[str], home: Home) -> Answer:
    """Runs `vlad` away from this terminal and waits for it. Raises OSError where it cannot be started."""
    done = own_command.run_vlad(arguments, home)
    return answer_of(arguments[0], done.returncode, done.stdout, done.stderr)


def answer_of(verb: str, code: int, output: str, errors: str) -> Answer:
    """What a verb that has ended said, in its last line."""
    said = (errors if code else output).strip()
    last = said.splitlines()[-1] if said else tr("vlad {verb} ended with exit code {code}", verb=verb, code=code)
    return Answer(code == 0, last, output)
