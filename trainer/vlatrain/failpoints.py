"""Places where a test can end the process: VLAD_FAILPOINTS=name:kill. Without that variable they do nothing."""

import os
import signal

VARIABLE = "VLAD_FAILPOINTS"


def failpoint(name: str) -> None:
    """Dies by SIGKILL here where VLAD_FAILPOINTS (comma-separated `name:kill`) says so.

    Only in the first attempt of a supervised run, so that the run restarted by the supervisor gets past it.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen and f"{name}:kill" in chosen.split(",") and os.environ.get("VLAD_ATTEMPT", "1") == "1":
        os.kill(os.getpid(), signal.SIGKILL)
