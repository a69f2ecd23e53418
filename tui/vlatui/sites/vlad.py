"""What the dashboard may do to runs: put a request file, or run `vlad`. Touches the disk and starts processes."""

import getpass
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlad.records.requests import Action, send_request
from vlad.records.rundir import Home, RunDirectory

VLAD = (sys.executable, "-m", "vlad.cli")
LIMIT_S = 120.0
SAID = {
    Action.STOP: "asked to stop: it saves a checkpoint first",
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
    try:
        done = subprocess.run(
            [*VLAD, *arguments], env=environment_of(home), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", start_new_session=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(False, f"vlad {arguments[0]} did not answer within {LIMIT_S:.0f} s")
    return answer_of(arguments[0], done.returncode, done.stdout, done.stderr)


def answer_of(verb: str, code: int, output: str, errors: str) -> Answer:
    """What a verb that has ended said, in its last line."""
    said = (errors if code else output).strip()
    last = said.splitlines()[-1] if said else f"vlad {verb} ended with exit code {code}"
    return Answer(code == 0, last, output)


def environment_of(home: Home) -> dict[str, str]:
    """The environment for `vlad`: that of this process, and this home."""
    return {**os.environ, "VLAD_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}
