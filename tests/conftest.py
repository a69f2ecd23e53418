"""For all tests: signals mean what they usually do, a process computes in one thread, and kernels run somewhere."""

import os
import signal
from pathlib import Path

# Workers are as many as cores or more: threads of theirs beside each other would spin, waiting for one another.
# Set before the first import of torch or numpy, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Without an NVIDIA GPU Triton runs kernels as Python, which shows what they compute; read when they are first imported.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_configure() -> None:
    """Started with nohup, or in the background of a script, tests and all that they start would ignore some."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
