"""The option of `vlad start` that says how long a run may take to end when it is stopped."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from vlad.records.spec import Kind, StopLadder

MOST_S = 86_400.0


def add_grace_argument(parser: ArgumentParser) -> None:
    usual = StopLadder()
    parser.add_argument(
        "--grace", type=_seconds, metavar="S",
        help=f"seconds for ending when it is stopped: a trainer's to save (default {usual.request_grace_s:g}), "
        f"a COMMAND's after SIGTERM (default {usual.term_grace_s:g})",
    )  # fmt: skip


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST_S:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {MOST_S:.0f}")
    return seconds


def chosen_ladder(arguments: Namespace, kind: Kind) -> StopLadder:
    """A trainer is asked to save first; a command gets SIGTERM at once."""
    if arguments.grace is None:
        return StopLadder()
    return (
        StopLadder(request_grace_s=arguments.grace) if kind is Kind.TRAIN else StopLadder(term_grace_s=arguments.grace)
    )
