"""vlad icsm: the method's offline statistics, computed in the foreground; a second call completes the first."""

import subprocess
from argparse import ArgumentParser, Namespace

from vlad.commands.command import CliError, Command
from vlad.commands.trainer import add_config_arguments, chosen_python, config_file
from vlad.policy.launch_argv import BadArguments, TrainArguments, icsm_argv, trainer_overrides


def _add(parser: ArgumentParser) -> None:
    add_config_arguments(parser)


def _run(arguments: Namespace) -> int:
    asked = TrainArguments(
        profile=arguments.profile, project_root=arguments.project_root, settings=tuple(arguments.settings)
    )
    try:
        overrides = trainer_overrides(asked)
    except BadArguments as error:
        raise CliError(str(error)) from None
    argv = icsm_argv(chosen_python(arguments.python), str(config_file(arguments.config)), overrides)
    try:
        return subprocess.run(argv).returncode
    except OSError as error:
        raise CliError(f"{argv[0]} cannot be run: {error.strerror}") from None


ICSM = Command(
    run=_run,
    add=_add,
    examples="""
    vlad icsm --config my.yaml                          into its icms_artifact_dir
    vlad icsm --config my.yaml --set icsm_states=input --set icms_artifact_dir=artifacts/mine
    """,
)
