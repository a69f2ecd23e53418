"""Copies of what a checkpoint holds, made while training waits, so that they can be written while it goes on."""

from dataclasses import dataclass, field
from typing import Any

import psutil
import torch
from torch import Tensor

LARGEST_SHARE = 0.5


@dataclass(slots=True)
class Staging:
    """Host memory for one checkpoint, kept from save to save; pinned for tensors of a GPU, which doubles the speed.

    A copy is good until the next one is made.
    """

    _buffers: list[Tensor] = field(default_factory=list)
    _used: int = 0

    @property
    def size_bytes(self) -> int:
        return size_bytes(self._buffers)

    def copied(self, tree: Any) -> Any:
        """The same dicts, lists, tuples and values with every tensor copied to the host."""
        self._used = 0
        copy = self._copied(tree)
        if any(buffer.is_pinned() for buffer in self._buffers):
            torch.cuda.current_stream().synchronize()
        return copy

    def _copied(self, tree: Any) -> Any:
        match tree:
            case Tensor():
                return self._buffer(tree).copy_(tree.detach(), non_blocking=True)
            case dict():
                return {key: self._copied(value) for key, value in tree.items()}
            case list():
                return [self._copied(value) for value in tree]
            case tuple():
                return tuple(self._copied(value) for value in tree)
            case _:
                return tree

    def _buffer(self, tensor: Tensor) -> Tensor:
        """The one of the last time where it fits, as it does unless something else is trained."""
        if self._used == len(self._buffers):
            self._buffers.append(_empty(tensor))
        buffer = self._buffers[self._used]
        if (buffer.shape, buffer.dtype, buffer.is_pinned()) != (tensor.shape, tensor.dtype, tensor.is_cuda):
            buffer = self._buffers[self._used] = _empty(tensor)
        self._used += 1
        return buffer


def _empty(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)


def size_bytes(tree: Any) -> int:
    """Of all tensors in it."""
    match tree:
        case Tensor():
            return tree.nbytes
        case dict():
            return sum(map(size_bytes, tree.values()))
        case list() | tuple():
            return sum(map(size_bytes, tree))
        case _:
            return 0


def fits_in_memory(tree: Any, staging: Staging) -> bool:
    """Whether a copy takes no more than half of the memory that is free on this host, or held for it already."""
    free = psutil.virtual_memory().available + staging.size_bytes
    return size_bytes(tree) <= LARGEST_SHARE * free
