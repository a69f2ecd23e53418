"""The vlad command: finds the verb, and turns every refusal into one line and exit code 2."""

import sys
from collections.abc import Sequence

from vlad.commands.command import BAD_INPUT, CliError, say
from vlad.commands.verbs import GROUPS, VERBS, command_of
from vlad.records.files import RecordError

INTERRUPTED = 130
BROKEN_PIPE = 141
HELP = """\
usage: vlad VERB [ARGUMENTS]      vlad VERB --help shows arguments and examples
       vlad --version

Training runs that survive their terminal, restart, and say why they died.

{verbs}

RUN is a run's id, a unique part of it, its name (the newest such), or `last`.
Runs are kept in $VLAD_HOME (default ~/.local/state/vlad); `vlatui` shows them.
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
        say(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _without_stdout()
    except OSError as error:
        say(str(error))
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
            return command_of(verb).run_words(verb, VERBS[verb][1], arguments)


def help_text() -> str:
    width = max(len(verb) for verb in VERBS)
    groups = (
        "\n".join([f"{title}:", *(f"  {verb:<{width}}  {summary}" for verb, (_, summary) in group.items())])
        for title, group in GROUPS.items()
    )
    return HELP.format(verbs="\n".join(groups)).rstrip()


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
