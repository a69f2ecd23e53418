"""What keeper and supervisor say about themselves: lines on standard error, which is the run's supervisor.log.

Not `logging`: it would be a tenth of what a supervisor holds in memory.
"""

import os
import time


def remark(message: str) -> None:
    """One line, whole whatever other processes write; a disk that refuses it hurts nothing."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {os.getpid()} {message}\n"
    try:
        os.write(2, line.encode(errors="replace"))
    except OSError:
        return


def remark_on_exception(message: str) -> None:
    """With the traceback of the exception that is being handled."""
    import traceback  # rare

    remark(f"{message}\n{traceback.format_exc().rstrip()}")
