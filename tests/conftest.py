"""For all tests: signals mean what they usually do, and a process computes in one thread."""

import os
import signal

# Workers are as many as cores or more: threads of theirs beside each other would spin, waiting for one another.
# Set before the first import of torch or numpy, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    """Started with nohup, or in the background of a script, tests and all that they start would ignore some."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
