"""The vlad command: finds the verb, and turns every refusal into one line and exit code 2."""

import sys
from collections.abc import Sequence
from importlib import import_module

from vlad.commands.command import BAD_INPUT, CliError, Command
from vlad.records.files import RecordError

INTERRUPTED = 130
BROKEN_PIPE = 141
VERBS: dict[str, tuple[str, str]] = {
    "start": ("start:START", "start a run that belongs to no terminal"),
    "ls": ("ls:LS", "list the runs: live ones and the last few that ended"),
    "show": ("show:SHOW", "show everything about one run"),
    "logs": ("logs:LOGS", "print a run's log, or follow it"),
    "why": ("why:WHY", "tell why a run died, with the evidence"),
    "stop": ("control:STOP", "stop runs, saving a checkpoint first"),
    "resume": ("control:RESUME", "go on with a run that has ended"),
    "save": ("control:SAVE", "ask a run to save a checkpoint now"),
    "evaluate": ("control:EVALUATE", "ask a run to evaluate now"),
    "wait": ("wait:WAIT", "wait until runs have ended; exit with their outcome"),
    "config": ("config:CONFIG", "print every configured value with where it came from"),
    "plan": ("plan:PLAN", "predict whether a configuration fits on a card, and its time"),
    "demos": ("demos:DEMOS", "record demonstrations of the tabletop or of LIBERO"),
    "eval": ("eval:EVAL", "measure the success rate of a checkpoint, outside its run"),
    "merge": ("merge:MERGE", "merge a run's adapter into its base model"),
    "icsm": ("icsm:ICSM", "compute the method's offline statistics of the base model"),
    "gpus": ("gpus:GPUS", "list the GPUs of this host, who has them, and who waits for them"),
    "rm": ("remove:RM", "remove runs that have ended"),
    "prune": ("remove:PRUNE", "remove old runs, keeping those that a rule names"),
    "doctor": ("doctor:DOCTOR", "look over this host for what will hurt runs"),
    "notify": ("notify:NOTIFY", "send a test message to everybody who is told about runs"),
    "ps": ("ps:PS", "list the processes of the live runs"),
}
HELP = """\
usage: vlad VERB [ARGUMENTS]        vlad VERB --help shows arguments and examples
       vlad --version

Training runs that survive their terminal, restart by themselves and say why they died.

{verbs}

RUN is a run's id, a unique part of it, its name (the newest such run), or `last`.
Runs are kept in $VLAD_HOME (default ~/.local/state/vlad). `vlatui` shows them live.
"""


def main() -> None:
    """Entry point of the `vlad` script."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Runs one command line and returns its exit code."""
    try:
        code = _dispatched(words)
        sys.stdout.flush()
        return code
    except (CliError, RecordError) as error:
        print(f"vlad: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _without_stdout()
    except OSError as error:
        print(f"vlad: {error}", file=sys.stderr)
        return BAD_INPUT


def _dispatched(words: Sequence[str]) -> int:
    match list(words):
        case [] | ["-h" | "--help" | "help"]:
            print(help_text())
            return 0
        case ["-V" | "--version" | "version"]:
            print(f"vlad {_version()}")
            return 0
        case ["help", verb]:
            return _dispatched([verb, "--help"])
        case _:
            verb, *arguments = words
            return _command(verb).run_words(verb, VERBS[verb][1], arguments)


def _command(verb: str) -> Command:
    """Imports the verb's module only: each costs nothing to the others. Raises CliError for a verb that is none."""
    if verb not in VERBS:
        raise CliError(f"{verb!r} is no verb{_suggestion(verb)}; `vlad --help` lists them")
    module, name = VERBS[verb][0].split(":")
    command = getattr(import_module(f"vlad.commands.{module}"), name)
    assert isinstance(command, Command)
    return command


def _suggestion(verb: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(verb, VERBS, n=1)
    return f", did you mean `vlad {close[0]}`?" if close else ""


def help_text() -> str:
    width = max(len(verb) for verb in VERBS)
    verbs = "\n".join(f"  {verb:<{width}}  {summary}" for verb, (_, summary) in VERBS.items())
    return HELP.format(verbs=verbs).rstrip()


def _version() -> str:
    from importlib.metadata import version

    return version("vlatui")


def _without_stdout() -> int:
    """The reader of a pipe has gone (`vlad ls | head`); only the interpreter must not notice that again."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


if __name__ == "__main__":
    main()
