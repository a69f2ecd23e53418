"""The option of `vlad start` that says how long a run may take to end when it is stopped."""

from argparse import ArgumentParser, Namespace
from functools import partial

from vlad.commands.seconds import seconds
from vlad.records.spec import Kind, StopLadder

MOST_S = 86_400.0


def add_grace_argument(parser: ArgumentParser) -> None:
    usual = StopLadder()
    parser.add_argument(
        "--grace", type=partial(seconds, most=MOST_S), metavar="S",
        help=f"seconds for ending when it is stopped: a trainer's to save (default {usual.request_grace_s:g}), "
        f"a COMMAND's after SIGTERM (default {usual.term_grace_s:g})",
    )  # fmt: skip


def chosen_ladder(arguments: Namespace, kind: Kind) -> StopLadder:
    """A trainer is asked to save first; a command gets SIGTERM at once."""
    if arguments.grace is None:
        return StopLadder()
    return (
        StopLadder(request_grace_s=arguments.grace) if kind is Kind.TRAIN else StopLadder(term_grace_s=arguments.grace)
    )
