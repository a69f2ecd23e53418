"""What a dashboard on another host may do here: verbs of vlad by their arguments, never a shell string."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlad.host.own_command import run_vlad
from vlad.records.rundir import Home
from vlad.remote.protocol import MOST_ARGUMENT_CHARACTERS, MOST_ARGUMENTS, Acted

KEPT_CHARACTERS = 1024 * 1024
ALLOWED = frozenset(
    {"start", "ls", "show", "stop", "resume", "save", "evaluate", "config", "plan", "gpus", "rm", "ps", "recover",
     "adopt", "why", "stacks", "adapters", "completions"}
)  # fmt: skip
ONLY_READING = frozenset({"ls", "show", "config", "plan", "gpus", "ps", "why", "adapters", "completions"})


def refusal(arguments: Sequence[str]) -> str:
    """Why these arguments are not run; nothing where they are."""
    if not arguments or arguments[0] not in ALLOWED:
        named = arguments[0] if arguments else ""
        return f"{named!r} cannot be asked for from another host; these can: {', '.join(sorted(ALLOWED))}"
    if len(arguments) > MOST_ARGUMENTS:
        return f"{len(arguments)} arguments are too many; {MOST_ARGUMENTS} at most"
    if any(len(argument) > MOST_ARGUMENT_CHARACTERS or "\0" in argument for argument in arguments):
        return f"an argument is longer than {MOST_ARGUMENT_CHARACTERS} characters or holds a zero byte"
    return ""


@dataclass(frozen=True, slots=True)
class Verbs:
    """Runs vlad in this home, from `cwd`, in processes of their own; with `readonly` only what changes nothing."""

    home: Home
    cwd: str
    readonly: bool = False

    def run(self, arguments: Sequence[str]) -> Acted:
        """Waits for its end. Raises ValueError for what may not be asked for, and OSError."""
        if words := refusal(arguments):
            raise ValueError(words)
        if self.readonly and arguments[0] not in ONLY_READING:
            raise ValueError(f"vlad {arguments[0]}: this session may only read")
        done = run_vlad(arguments, self.home, self.cwd)
        return Acted(code=done.returncode, output=done.stdout[-KEPT_CHARACTERS:], errors=done.stderr[-KEPT_CHARACTERS:])
