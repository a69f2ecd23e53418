"""What a verb of the command line is made of: its arguments, its examples, and what it does."""

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from vlad.commands.text import harmless
from vlad.records.rundir import Home, RunDirectory, default_home

BAD_INPUT = 2
RUN_HELP = "a run's id, a unique part of it, its name (the newest such run), or `last`"


class CliError(Exception):
    """What was asked cannot be done; the message is the one line to print, what to do about it included."""


class Parser(ArgumentParser):
    """Refuses in one line, like every other error here, and never guesses abbreviations."""

    takes_command = False

    def error(self, message: str) -> NoReturn:
        raise CliError(f"{message}; {self._suggestion(message)}`{self.prog} --help` shows how")

    def _suggestion(self, message: str) -> str:
        """For an option that there is not, the one that looks like it, else where words belong that are no options."""
        from difflib import get_close_matches

        unknown = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
        if not unknown or not message.startswith("unrecognized arguments"):
            return ""
        close = get_close_matches(unknown[0], self._option_string_actions, n=1, cutoff=0.7)
        if close:
            return f"did you mean {close[0]}? "
        program = "a program comes after --; " if self.takes_command else ""
        has_fields = "--set" in self._option_string_actions
        return program + ("a field of the configuration is --set FIELD=VALUE; " if has_fields else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A verb: `add` declares its arguments, `run` does it and returns the exit code.

    With `takes_command` the words after `--` are not its own: they are the namespace's `command` (None without `--`).
    """

    run: Callable[[Namespace], int]
    examples: str
    add: Callable[[ArgumentParser], object]
    takes_command: bool = False

    def run_words(self, verb: str, summary: str, words: list[str]) -> int:
        own, command = words, None
        if self.takes_command and "--" in words:
            border = words.index("--")
            own, command = words[:border], words[border + 1 :]
        return self.run(self.parser(verb, summary).parse_intermixed_args(own, Namespace(command=command)))

    def parser(self, verb: str, summary: str) -> Parser:
        parser = Parser(
            prog=f"vlad {verb}",
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"examples:\n{indented(self.examples)}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.takes_command = self.takes_command
        self.add(parser)
        return parser


def indented(text: str) -> str:
    return "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())


def add_run(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)


def add_runs(parser: ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help=RUN_HELP)


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def our_home() -> Home:
    """The home of this user's runs."""
    return Home(default_home())


def found_run(wanted: str) -> RunDirectory:
    """Raises RecordError where `wanted` names no run, or several."""
    return our_home().find(wanted)


def print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2)
    print()


def say(message: str) -> None:
    """A remark to the person at the terminal: stdout belongs to answers."""
    print(f"vlad: {harmless(message)}", file=sys.stderr, flush=True)
