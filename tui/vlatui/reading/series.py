"""Curves of numbers over steps, kept within a bound however long a run gets. Pure."""

import math
from bisect import bisect_left
from dataclasses import dataclass

MOST_POINTS = 4096


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of their steps; `times` in Unix seconds."""

    steps: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def step_at(self, moment: float) -> float | None:
        """The first step from this moment (Unix seconds) on, else the last one; None without any."""
        return self.steps[min(bisect_left(self.times, moment), len(self) - 1)] if self.steps else None


class GrowingCurve:
    """A curve that points are added to. Twice too many points are halved by averaging neighbours.

    A step at or before the newest one means that the run went back to a checkpoint: what it takes back is dropped.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most
        self._steps: list[float] = []
        self._times: list[float] = []
        self._values: list[float] = []
        self._stride = 1
        self._waiting: list[tuple[float, float, float]] = []

    def add(self, step: float, at: float, value: float) -> None:
        """Adds a point; values that are no finite numbers are left out."""
        if not math.isfinite(value):
            return
        self._take_back(step)
        self._waiting.append((step, at, value))
        if len(self._waiting) >= self._stride:
            self._settle()

    def _take_back(self, step: float) -> None:
        if self._waiting and self._waiting[-1][0] >= step:
            self._waiting = [point for point in self._waiting if point[0] < step]
        if self._steps and self._steps[-1] >= step:
            keep = bisect_left(self._steps, step)
            del self._steps[keep:], self._times[keep:], self._values[keep:]

    def _settle(self) -> None:
        step, at, _ = self._waiting[-1]
        self._steps.append(step)
        self._times.append(at)
        self._values.append(sum(value for *_, value in self._waiting) / len(self._waiting))
        self._waiting.clear()
        if len(self._values) >= 2 * self._most:
            self._halve()

    def _halve(self) -> None:
        self._stride *= 2
        self._steps = self._steps[1::2]
        self._times = self._times[1::2]
        self._values = [(one + two) / 2 for one, two in zip(self._values[::2], self._values[1::2], strict=True)]

    def curve(self) -> Curve:
        """The points now; the newest one is always among them."""
        newest = self._waiting[-1:]
        return Curve(
            (*self._steps, *(point[0] for point in newest)),
            (*self._times, *(point[1] for point in newest)),
            (*self._values, *(point[2] for point in newest)),
        )
