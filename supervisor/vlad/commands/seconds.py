"""A number of seconds on the command line."""

from argparse import ArgumentTypeError
from math import inf


def seconds(text: str, most: float = inf) -> float:
    """From 0 to `most`. Raises ArgumentTypeError for what is no such number."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        limits = "" if most == inf else f" from 0 to {most:.0f}"
        raise ArgumentTypeError(f"{text!r} is no number of seconds{limits}")
    return found
