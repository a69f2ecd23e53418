"""Seconds that a call takes as part of a graph on a GPU."""

import math
import time
from collections.abc import Callable, Sequence

from speed_place import IS_TRIAL, wait
from torch import Tensor
from vlatrain.fast.capture import captured, warm_up

REPLAYS = 3


def seconds_each(calls: Sequence[Callable[[], Tensor]], rounds: int) -> float:
    """Of one call: of so many in turns, as a graph. Without a GPU they are made once, and it is unknown."""

    def work() -> None:
        for number in range(rounds):
            calls[number % len(calls)]()

    if IS_TRIAL:
        calls[0]()
        return math.nan
    warm_up(work, 1)
    graph, _ = captured(work)
    graph.replay()
    wait()
    started = time.perf_counter()
    for _ in range(REPLAYS):
        graph.replay()
    wait()
    return (time.perf_counter() - started) / (REPLAYS * rounds)
