"""Lines for the console, which every rank and torchrun write to."""

import sys
from typing import TextIO


def say(line: str, stream: TextIO | None = None) -> None:
    """A line in a single write, to `stream` (stdout). `print` to an unbuffered stream makes two, and lines mix."""
    stream = stream or sys.stdout
    stream.write(f"{line}\n")
    stream.flush()
