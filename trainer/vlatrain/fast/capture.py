"""Capturing work as a CUDA graph: warmed up, recorded, then launched as a whole by `graph.replay()`."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def warm_up(work: Callable[[], object], times: int) -> None:
    """Runs it on a stream of its own, as capturing demands of the runs before it."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's gap
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(times):
            work()
    torch.cuda.current_stream().wait_stream(stream)


def captured(work: Callable[[], Result], pool: Any = None) -> tuple[torch.cuda.CUDAGraph, Result]:
    """The graph of what this thread launches in `work`, and its result, whose tensors each replay fills anew.

    Loaders and writers of other threads may go on allocating. `pool`: working memory that several graphs share.
    Raises OutOfMemoryError.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        result = work()
    return graph, result
