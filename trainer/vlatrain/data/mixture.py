"""Several data sets as one: in an epoch each frame of a set comes equally often, and those of the sets by weight."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from vlatrain.data.rlds import Frame, RLDSDataset
from vlatrain.data.statistics import DatasetStatistics

MOST_REPEATS = 20


class Mixture:
    """`sets` in shares that follow `weights` (a frame's weight, so that larger sets come more often).

    The order over it is drawn as over one set, hence resumes and ranks need nothing new. Frames are normalised by the
    statistics of their own set, as published; `statistics` holds all of them by name.
    """

    def __init__(self, sets: Sequence[RLDSDataset], weights: Sequence[float]) -> None:
        self._sets = list(sets)
        counts = repeats(weights)
        self._ends = list(accumulate(len(one) * count for one, count in zip(sets, counts, strict=True)))
        self.name = ",".join(one.name for one in sets)
        self.statistics: dict[str, DatasetStatistics] = {
            name: statistics for one in sets for name, statistics in one.statistics.items()
        }
        self.instructions = tuple(dict.fromkeys(text for one in sets for text in one.instructions))

    def __len__(self) -> int:
        """The frames of an epoch, repeated ones included."""
        return self._ends[-1]

    def __getitem__(self, place: int) -> Frame:
        number = bisect_right(self._ends, place)
        first = self._ends[number - 1] if number else 0
        return self._sets[number][(place - first) % len(self._sets[number])]


def repeats(weights: Sequence[float]) -> list[int]:
    """How often a frame of each set comes in an epoch: whole numbers in proportion to `weights`, within 1 %.

    The smallest such numbers with at most 20 for the least weight, else the closest of those.
    """
    least = min(weights)
    wanted = [weight / least for weight in weights]
    choices = [[round(times * ratio) for ratio in wanted] for times in range(1, MOST_REPEATS + 1)]
    return min(choices, key=lambda counts: (max(0.01, _error(counts, wanted)), counts[0]))


def _error(counts: Sequence[int], wanted: Sequence[float]) -> float:
    times = counts[wanted.index(1.0)]
    return max(abs(count / (times * ratio) - 1) for count, ratio in zip(counts, wanted, strict=True))
