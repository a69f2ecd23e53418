"""Copies of what a checkpoint holds, made while training waits, so that they can be written while it goes on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch
from torch import Tensor

LARGEST_SHARE = 0.5
Kind = tuple[torch.Size, torch.dtype, bool]
"""Shape, type and whether the memory is pinned"""


@dataclass(slots=True)
class Staging:
    """Host memory for one checkpoint, kept from save to save; pinned for tensors of a GPU, which doubles the speed.

    A copy is good until the next one is made.
    """

    _idle: dict[Kind, list[Tensor]] = field(default_factory=dict)
    _taken: list[Tensor] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return size_bytes(self._taken) + size_bytes(list(self._idle.values()))

    def reserve(self, tensors: Iterable[Tensor], each: int) -> None:
        """Makes room for `each` tensors like every one of `tensors`: pinning takes a second a GB, once."""
        for tensor in tensors:
            self._idle.setdefault(_kind(tensor), []).extend(_empty(tensor) for _ in range(each))

    def copied(self, tree: Any) -> Any:
        """The same dicts, lists, tuples and values with every tensor copied to the host."""
        for buffer in self._taken:
            self._idle.setdefault((buffer.shape, buffer.dtype, buffer.is_pinned()), []).append(buffer)
        self._taken = []
        copy = self._copied(tree)
        self._idle = {}  # something else is trained than what this was for
        if any(buffer.is_pinned() for buffer in self._taken):
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
        idle = self._idle.get(_kind(tensor))
        self._taken.append(idle.pop() if idle else _empty(tensor))
        return self._taken[-1]


def _kind(tensor: Tensor) -> Kind:
    return tensor.shape, tensor.dtype, tensor.is_cuda


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
