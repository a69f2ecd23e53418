"""vlad icsm: the method's offline statistics, computed in the foreground; a second call completes the first."""

from argparse import ArgumentParser, Namespace

from vlad.commands.command import CliError, Command
from vlad.commands.training.tool import run_tool
from vlad.commands.training.trainer import add_config_arguments, config_file
from vlad.policy.launch_argv import BadArguments, TrainArguments, trainer_overrides


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
    return run_tool(arguments.python, ["icsm", str(config_file(arguments.config)), *overrides])


ICSM = Command(
    run=_run,
    add=_add,
    examples="""
    vlad icsm --config my.yaml                          into its icms_artifact_dir
    vlad icsm --config my.yaml --set icsm_states=input --set icms_artifact_dir=artifacts/mine
    """,
)
