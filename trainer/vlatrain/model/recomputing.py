"""Activations that the backward pass computes again instead of finding them kept: time for memory."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run_block(block: nn.Module, is_recomputed: bool, hidden: Tensor, *others: Any) -> Tensor:
    """The block's output. Recomputed, it gives the same numbers, dropout included, and keeps its input only."""
    if is_recomputed and torch.is_grad_enabled():
        out: Tensor = checkpoint(block, hidden, *others, use_reentrant=False)
    else:
        out = block(hidden, *others)
    return out
