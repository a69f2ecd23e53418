"""The arguments of `vlad start` and `vlad adopt` that say when a run counts as hung, and what then."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from vlad.records import figures
from vlad.records.spec import HangPolicy, OnHang

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DEFAULTS = HangPolicy()


def add_hang_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--hang-after", type=_duration, metavar="TIME",
        help="a run that tells nothing for so long (20m, 2h) is hung (default: 30 of its own steps, "
        f"{figures.duration(DEFAULTS.least_s)} at least; {figures.duration(DEFAULTS.other_s)} while it loads, "
        "evaluates or saves, and for a COMMAND)",
    )  # fmt: skip
    parser.add_argument(
        "--on-hang", choices=[str(one) for one in OnHang],
        help="dump its stacks and restart it (default of the trainer), dump and report (of a COMMAND), or nothing",
    )  # fmt: skip


def chosen_hang_policy(arguments: Namespace, default: OnHang) -> HangPolicy:
    """As asked; `default` is what becomes of a hung run otherwise."""
    asked = arguments.hang_after
    if getattr(arguments, "tty", False) or getattr(arguments, "attach", False):
        default = OnHang.NOTHING  # a debugger waits for its user
    return HangPolicy(
        action=OnHang(arguments.on_hang or default), after_s=asked, other_s=max(DEFAULTS.other_s, asked or 0.0)
    )


def _duration(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * SECONDS[unit]
    except (KeyError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no time: a number with s, m, h or d, for example 20m")
    return seconds
