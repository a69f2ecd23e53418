"""vlad plan: whether a configuration fits on a card, by part, and how long it will take."""

from argparse import ArgumentParser, Namespace

from vlad.commands.command import Command, add_json
from vlad.commands.training.tool import run_tool
from vlad.commands.training.trainer import add_config_arguments, config_file, trainer_words
from vlad.policy.launch_argv import POSITIONALS


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"as for vlad start: {' '.join(POSITIONALS)}")
    add_config_arguments(parser)
    parser.add_argument(
        "--card", metavar="C", help="such as 4090, V100, A100, H200 (this machine's, else the profile's)"
    )
    add_json(parser)
    parser.description = f"{parser.description}\nExits 0 where it fits, 1 where it does not."


def _run(arguments: Namespace) -> int:
    nproc, overrides = trainer_words(arguments, arguments.figures)
    words = [str(config_file(arguments.config)), *overrides, f"--nproc={nproc}"]
    words += [f"--card={arguments.card}"] if arguments.card else []
    words += ["--json"] if arguments.json else []
    return run_tool(arguments.python, ["plan", *words])


PLAN = Command(
    run=_run,
    add=_add,
    examples="""
    vlad plan --config my.yaml --card 4090
    vlad plan auto --profile v100_8gpu --set batch_size=2
    """,
)
