"""Seconds that a call of our kernels takes as part of a graph on a GPU."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import torch
import triton
from speed_place import IS_TRIAL, wait
from torch import Tensor
from vlatrain.fast.capture import captured, warm_up

REPLAYS = 3
THREADS = 1 if IS_TRIAL else 8


def compiled_aside(calls: Sequence[Callable[[], Tensor]]) -> None:
    """Compiles what they need by several threads, so that measuring need not wait."""

    def tried(call: Callable[[], Tensor]) -> None:
        with torch.inference_mode(), suppress(RuntimeError, triton.TritonError):  # told when it is measured
            call()

    started = time.monotonic()
    tried(calls[0])  # what all have in common
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(tried, calls))
    wait()
    print(f"compiled {len(calls)} kernels in {time.monotonic() - started:.1f} s", flush=True)


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
