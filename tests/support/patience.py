"""How long tests wait for other processes, threads and screens: one constant, and one way to wait.

The deadline is never what a test is about: it ends a wait that is in vain, and says what was waited for. So it is
generous. A shared machine has been seen three times slower than a developer's, and to stand still for a minute.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 300.0
"""Below pytest's own `timeout`, which would end a test without saying what it waited for."""
Found = TypeVar("Found")


class Patience:
    """For waits that `until` cannot do, such as those that await: `spend` is called between two looks."""

    def __init__(self, what: object, patience_s: float = PATIENCE_S) -> None:
        """`what` is said in the end: a text, whatever prints well, or a function that gives one."""
        self._what = what
        self._end = time.monotonic() + patience_s
        self._patience_s = patience_s

    def spend(self) -> None:
        """Fails by name when there is none left."""
        if time.monotonic() >= self._end:
            what = self._what() if callable(self._what) else self._what
            raise AssertionError(f"not within {self._patience_s:.0f} s: {what}")


def until(condition: Callable[[], Found | None], what: object, patience_s: float = PATIENCE_S) -> Found:
    """The first true answer of `condition`; fails by name when there is none in time."""
    patience = Patience(what, patience_s)
    while not (found := condition()):
        patience.spend()
        time.sleep(0.005)
    return found


def until_ended(thread: threading.Thread) -> None:
    """Returns when a thread has; fails with its name."""
    until(lambda: not thread.is_alive(), f"the end of {thread.name}")
