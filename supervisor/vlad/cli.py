"""The vlad command: finds the verb, and turns every refusal into one line and exit code 2."""

import errno
import sys
from collections.abc import Sequence

from vlad.commands.command import BAD_INPUT, CliError, say
from vlad.commands.verbs import GROUPS, VERBS, command_of
from vlad.host.standard_streams import complete_standard_streams
from vlad.records.files import RecordError
from vlad.records.rundir import default_home

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
    complete_standard_streams()
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
        _let_go_of_stdout()
        return BROKEN_PIPE
    except OSError as error:
        say(os_words(error))
        _let_go_of_stdout()
        return BAD_INPUT


def os_words(error: OSError) -> str:
    """What the system refused, and where; what is written without a name is a record or the answer."""
    words = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {words}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{words}: free some in {default_home()}, or where the answer goes"
    return words


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


def _let_go_of_stdout() -> None:
    """Where a pipe has no reader (`vlad ls | head`), or a disk is full, the interpreter must not notice it again."""
    import os

    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
