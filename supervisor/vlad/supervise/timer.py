"""Waits that begin or end at a time on record, and are not upset by a clock that is set meanwhile."""

import time


class Timer:
    """Turns each time on record, when first asked about, into one of a clock that nobody sets, and keeps to that."""

    def __init__(self) -> None:
        self._marks: dict[float, float] = {}

    def elapsed_s(self, since: float) -> float:
        """Seconds since a Unix time; none for one in the future."""
        return max(0.0, time.monotonic() - self._mark(since, 0.0))

    def remaining_s(self, until: float, at_most: float) -> float:
        """Seconds to a Unix time, counted from the first question; none for one in the past."""
        return max(0.0, self._mark(until, at_most) - time.monotonic())

    def _mark(self, wall: float, at_most: float) -> float:
        if wall not in self._marks:
            self._marks = {wall: time.monotonic() + min(wall - time.time(), at_most)}
        return self._marks[wall]
