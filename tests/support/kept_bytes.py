"""How much a forward pass keeps for its backward pass, counted where autograd keeps it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def kept_bytes(model: nn.Module, run: Callable[[], Any]) -> int:
    """Bytes of the distinct storages that autograd saves while `run` runs, the model's own parameters left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(kept.values())
