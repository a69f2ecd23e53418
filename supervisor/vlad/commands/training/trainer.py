"""Asks the trainer, in whichever Python it lives, what a configuration comes to."""

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import msgspec

from vlad.commands.command import CliError
from vlad.policy.launch_argv import (
    DEFAULT_CONFIG,
    BadArguments,
    TrainArguments,
    asked_processes,
    print_config_argv,
    tool_environment,
    trainer_overrides,
)
from vlad.records.shipped import shipped_configs
from vlad.records.spec import ConfigValue

PATIENCE_S = 120.0


class ResolvedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The trainer's answer: every field with its origin, the number of processes, names and places."""

    config: dict[str, ConfigValue]
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    nproc: int
    nproc_origin: str
    run_name: str
    paths: dict[str, str | None] = {}

    def text_of(self, field: str) -> str:
        """A field's value as text, empty for none."""
        found = self.config.get(field)
        return "" if found is None or found.value is None else str(found.value)


def add_config_arguments(parser: ArgumentParser) -> None:
    """What decides about a trainer's configuration."""
    parser.add_argument(
        "--config", metavar="FILE",
        help=f"YAML of the trainer's fields (default: configs/{DEFAULT_CONFIG} here, else the one that ships)",
    )  # fmt: skip
    parser.add_argument("--profile", metavar="P", help="server profile, e.g. 4090_1gpu (or SERVER_PROFILE)")
    parser.add_argument(
        "--set", metavar="FIELD=VALUE", action="append", default=[], dest="settings", help="set one field; repeatable"
    )
    parser.add_argument("--resume", metavar="X", help="go on from adapter X, or from the `newest` of this run's name")
    parser.add_argument("--from-scratch", action="store_true", help="go on from nothing, whatever RESUME_ADAPTER says")
    parser.add_argument("--project-root", metavar="DIR", help="where relative paths stand (or VLAD_PROJECT_ROOT)")
    add_python(parser)


def add_python(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--python", metavar="P", help="the Python that has the trainer (or VLAD_PYTHON; default: this one)"
    )


def chosen_python(asked: str | None) -> str:
    """--python, else VLAD_PYTHON, else this one. Raises CliError where there is none such."""
    wanted = asked or os.environ.get("VLAD_PYTHON") or sys.executable
    found = shutil.which(str(Path(wanted).expanduser()) if wanted.startswith("~") else wanted)
    if found is None:
        raise CliError(f"--python {wanted}: no such program; name the Python that has the trainer")
    return str(Path.cwd() / found)


def config_file(asked: str | None) -> Path:
    """The file asked for, or the original launcher's; a name that is not here may be one of the shipped ones."""
    wanted = Path(asked or Path("configs") / DEFAULT_CONFIG).expanduser()
    if not wanted.exists() and wanted.parent in (Path(), Path("configs")):
        shipped = shipped_configs() / wanted.name
        return shipped if shipped.exists() else wanted
    return wanted


def resolved_config(arguments: Namespace, figures: list[str], file: Path, *, check: bool) -> ResolvedConfig:
    """Asks the trainer; with `check` it looks at files and GPUs too. Raises CliError with its refusal."""
    nproc, overrides = trainer_words(arguments, figures)
    python = chosen_python(arguments.python)
    answer = _answer(print_config_argv(python, str(file), overrides, nproc, check=check))
    try:
        return msgspec.json.decode(answer, type=ResolvedConfig)
    except msgspec.DecodeError as error:
        raise CliError(f"the trainer of {python} does not answer as expected: {error}") from None


def trainer_words(arguments: Namespace, figures: list[str]) -> tuple[str, tuple[str, ...]]:
    """NPROC, and the trainer's words that the arguments mean. Raises CliError."""
    asked = TrainArguments(
        figures=tuple(figures), profile=arguments.profile, project_root=arguments.project_root,
        settings=tuple(arguments.settings), resume=arguments.resume, from_scratch=arguments.from_scratch,
    )  # fmt: skip
    try:
        return asked_processes(asked), trainer_overrides(asked)
    except BadArguments as error:
        raise CliError(str(error)) from None


def _answer(argv: tuple[str, ...]) -> bytes:
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
            env=tool_environment(os.environ),
        )  # fmt: skip
    except OSError as error:
        raise CliError(f"{argv[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise CliError(f"{argv[0]} did not resolve the configuration within {PATIENCE_S:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1] if said else f"the trainer ended with status {done.returncode}"
    if "No module named vlatrain" in last:
        raise CliError(f"{argv[0]} has no trainer: install '.[train]' there, or name another with --python")
    raise CliError(last.removeprefix("vlatrain: "))
