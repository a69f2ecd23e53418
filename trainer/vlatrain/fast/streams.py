"""CUDA streams beside the one that trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def captured(graph: torch.cuda.CUDAGraph, pool: Any = None) -> Iterator[None]:
    """Records into `graph` what this thread launches; loaders and writers of other threads may go on allocating."""
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        yield


@contextmanager
def aside() -> Iterator[None]:
    """On a stream of its own, as capturing a graph demands of the runs before it."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's gap
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)


def side_stream(device: torch.device) -> torch.cuda.Stream:
    """For work that can go on at the same time, such as one tower beside the other: in a graph this costs nothing."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's gap


def urgent_stream(device: torch.device) -> torch.cuda.Stream:
    """Its few kernels go before those of a pass, which otherwise would let none between."""
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]  # torch's gap
