"""CUDA streams beside the one that trains."""

import torch


def side_stream(device: torch.device) -> torch.cuda.Stream:
    """For work that can go on at the same time, such as one tower beside the other: in a graph this costs nothing."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's gap


def urgent_stream(device: torch.device) -> torch.cuda.Stream:
    """Its few kernels go before those of a pass, which otherwise would let none between."""
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]  # torch's gap
