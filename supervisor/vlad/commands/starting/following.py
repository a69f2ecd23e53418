"""Arguments of the verbs that follow programs of others: when to stop them early, and how to read their log."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from vlad.commands.command import CliError
from vlad.policy.early_stop import EarlyStopPolicy
from vlad.records.spec import EarlyStopWish, LinePattern


def add_following_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--early-stop", type=early_stop_wish, metavar="patience=5,min_delta=0.1",
        help="stop a COMMAND after so many evaluations that gain no more than so many percentage points",
    )  # fmt: skip
    parser.add_argument(
        "--log-patterns", metavar="FILE",
        help="YAML with regular expressions for a COMMAND whose log lines vlad does not know",
    )  # fmt: skip


def early_stop_wish(text: str) -> EarlyStopWish:
    """From `patience=5,min_delta=0.1`, or a part of it. Raises ArgumentTypeError."""
    given = dict(_setting(part) for part in text.split(","))
    try:
        policy = EarlyStopPolicy(patience=int(given.get("patience", 5)), min_delta=given.get("min_delta", 0.1))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    return EarlyStopWish(patience=policy.patience, min_delta=policy.min_delta)


def _setting(part: str) -> tuple[str, float]:
    name, _, value = part.strip().partition("=")
    try:
        if name == "patience":
            return name, int(value)
        if name == "min_delta":
            return name, float(value)
    except ValueError:
        pass
    raise ArgumentTypeError(f"{part!r}: it must be patience=WHOLE_NUMBER or min_delta=PERCENTAGE_POINTS")


def chosen_patterns(arguments: Namespace) -> tuple[LinePattern, ...]:
    """The patterns of the file that was named, proven usable. Raises CliError and RecordError."""
    if arguments.log_patterns is None:
        return ()
    from vlad.parsers.own_patterns import read_patterns

    try:
        content = Path(arguments.log_patterns).read_bytes()
    except OSError as error:
        raise CliError(f"--log-patterns {arguments.log_patterns}: {error.strerror}") from error
    return read_patterns(content, arguments.log_patterns)


def refuse_following_arguments(arguments: Namespace) -> None:
    """Our trainer has both in its own configuration."""
    if arguments.early_stop is not None:
        raise CliError("--early-stop is for a command after --; our trainer has PATIENCE and early_stopping_min_delta")
    if arguments.log_patterns is not None:
        raise CliError("--log-patterns is for a command after --; our trainer reports itself")
