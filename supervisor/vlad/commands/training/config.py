"""vlad config: every value of a configuration, or of a run, with where it came from."""

import sys
from argparse import ArgumentParser, Namespace

import msgspec

from vlad.commands.command import RUN_HELP, CliError, Command, add_json, found_run, print_json, say
from vlad.commands.text import Column, Ink, Tone, table
from vlad.commands.training.trainer import add_config_arguments, config_file, resolved_config
from vlad.records.spec import ConfigValue

COLUMNS = (Column(title="FIELD"), Column(title="VALUE"), Column(title="FROM"))
DEFAULT = "default"


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", nargs="?", help=f"{RUN_HELP}: what it was started with")
    add_config_arguments(parser)
    parser.add_argument("--changed", action="store_true", help="only what is not a default")
    add_json(parser)


def _run(arguments: Namespace) -> int:
    return _of_run(arguments) if arguments.run else _of_file(arguments)


def _of_run(arguments: Namespace) -> int:
    given = [arguments.config, arguments.profile, arguments.settings, arguments.project_root, arguments.python]
    if any([*given, arguments.resume, arguments.from_scratch]):
        raise CliError("either a run (what it was started with) or --config and its like (what would be started)")
    run = found_run(arguments.run)
    spec = run.read_spec()
    if not spec.config:
        raise CliError(f"{run.run_id} runs a command, it has no configuration; `vlad show {run.run_id}` shows it")
    _print(arguments, spec.config, {"run_id": run.run_id, "config_file": spec.config_file, "nproc": spec.nproc})
    return 0


def _of_file(arguments: Namespace) -> int:
    file = config_file(arguments.config)
    resolved = resolved_config(arguments, [], file, check=False)
    facts = {"config_file": str(file), "nproc": resolved.nproc, "run_name": resolved.run_name, "paths": resolved.paths}
    _print(arguments, resolved.config, {**facts, "warnings": list(resolved.warnings)})
    if not arguments.json:
        for warning in resolved.warnings:
            say(f"warning: {warning}")
    return 0


def _print(arguments: Namespace, config: dict[str, ConfigValue], facts: dict[str, object]) -> None:
    shown = {name: value for name, value in config.items() if not arguments.changed or value.origin != DEFAULT}
    if arguments.json:
        print_json({**facts, "config": msgspec.to_builtins(shown)})
        return
    ink = Ink.for_stream(sys.stdout)
    print(table(COLUMNS, [_row(name, value, ink) for name, value in shown.items()], ink))
    for name in ("config_file", "nproc", "run_name"):
        if name in facts:
            say(f"{name} {facts[name]}")


def _row(name: str, value: ConfigValue, ink: Ink) -> list[str]:
    return [name, _plain(value), ink(value.origin, Tone.QUIET if value.origin == DEFAULT else None)]


def _plain(value: ConfigValue) -> str:
    """On one line, as YAML would have it."""
    text = value.value if isinstance(value.value, str) else msgspec.json.encode(value.value).decode()
    return text.replace("\n", "\\n")


CONFIG = Command(
    run=_run,
    add=_add,
    examples="""
    vlad config --config my.yaml --profile v100_8gpu    what would be started
    vlad config --changed --set batch_size=4
    vlad config last                                    what a run was started with
    """,
)
