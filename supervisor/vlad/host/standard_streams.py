"""The three streams of a program, also where whoever started it has closed some (`vlad ls >&-`)."""

import os
import sys


def complete_standard_streams() -> None:
    """Opens the closed ones on nothing, so that no file opened later takes their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
