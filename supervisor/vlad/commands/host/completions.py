"""vlad completions: what lets bash, zsh and fish complete vlad's words, made from the verbs themselves."""

import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from vlad.commands.command import CliError, Command, our_home, print_json
from vlad.commands.host.completion_scripts import SCRIPTS, Takes, Verb, Word
from vlad.commands.verbs import VERBS, command_of
from vlad.policy.launch_argv import POSITIONALS
from vlad.records.history import name_in
from vlad.records.shipped import shipped_configs

RUNS = "runs"
START = "start"
RECENT = 50
GPU_WORDS = ("auto", "none")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "shell", metavar="SHELL", choices=(*SCRIPTS, RUNS, START),
        help=f"{', '.join(SCRIPTS)}; `{RUNS}` lists runs; `{START}` tells, as JSON, what `vlad start` takes here",
    )  # fmt: skip


def _run(arguments: Namespace) -> int:
    if arguments.shell == RUNS:
        sys.stdout.writelines(f"{name}\n" for name in run_names())
    elif arguments.shell == START:
        print_json(start_words())
    else:
        print(SCRIPTS[arguments.shell](described_verbs()), end="")
    return 0


def run_names() -> list[str]:
    """What RUN may be: live runs and the newest ended ones, by name and by id."""
    home = our_home()
    ids = [*home.live_ids(), *home.newest_ended_ids(RECENT, with_parts=False)]
    names = [name_in(run_id) for run_id in ids]
    return list(dict.fromkeys(["last", *names, *ids])) if ids else []


def start_words() -> dict[str, object]:
    """What stands on the command line of `vlad start` here: its options, configurations, profiles, runs to follow."""
    own, shipped = Path("configs"), shipped_configs()
    configs = [str(path) for folder in (Path(), own, shipped) for path in sorted(folder.glob("*.yaml"))]
    options = [word for verb in described_verbs((START,)) for word in verb.options]
    return {
        "options": [asdict(word) for word in options], "figures": POSITIONALS, "configs": configs,
        "profiles": _profiles(), "runs": run_names(),
    }  # fmt: skip


def _profiles() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in (shipped_configs() / "profiles").glob("*.yaml")))


def described_verbs(names: Iterable[str] = tuple(VERBS)) -> list[Verb]:
    """These verbs (all) with their words, as their parsers have them."""
    found = []
    for name in names:
        summary = VERBS[name][1]
        try:
            command = command_of(name)
        except ImportError as error:
            raise CliError(f"the verb {name} cannot be described: {error}") from None
        actions = command.parser(name, summary)._actions  # argparse has no public way to ask
        found.append(Verb(name, summary, tuple(map(_word, actions)), command.takes_command))
    return found


def _word(action: Action) -> Word:
    is_value = action.nargs != 0
    help_text = (action.help or "").replace("\n", " ").partition(";")[0]
    values = tuple(map(str, action.choices or ())) or _known_values(action)
    takes = _taken(action, values) if is_value else Takes.NOTHING
    return Word(tuple(action.option_strings), takes, help_text, values, action.nargs in ("+", "*"))


def _taken(action: Action, values: tuple[str, ...]) -> Takes:
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if values:
        return Takes.VALUE
    if "RUN" in metavar.split("|"):
        return Takes.RUN
    if action.dest in ("python", "sim_python"):
        return Takes.FILE
    return {"FILE": Takes.FILE, "DIR": Takes.FOLDER}.get(metavar, Takes.ANYTHING)


def _known_values(action: Action) -> tuple[str, ...]:
    if action.dest == "gpus":
        return GPU_WORDS
    if action.dest == "profile":
        return _profiles()
    return ()


COMPLETIONS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad completions bash > ~/.local/share/bash-completion/completions/vlad
    vlad completions zsh > ~/.zfunc/_vlad          with fpath+=(~/.zfunc) before compinit in ~/.zshrc
    vlad completions fish > ~/.config/fish/completions/vlad.fish
    """,
)
