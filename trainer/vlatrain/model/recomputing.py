"""Activations that the backward pass computes again instead of finding them kept: time for memory."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vlatrain.configuration.memory import Checkpointing

if TYPE_CHECKING:
    from vlatrain.model.openvla import OpenVLA


def run_block(block: nn.Module, is_recomputed: bool, hidden: Tensor, *others: Any) -> Tensor:
    """The block's output. Recomputed, it gives the same numbers, dropout included, and keeps its input only."""
    if is_recomputed and torch.is_grad_enabled():
        out: Tensor = checkpoint(block, hidden, *others, use_reentrant=False)
    else:
        out = block(hidden, *others)
    return out


def recompute(model: "OpenVLA", level: Checkpointing) -> None:
    """Sets what an OpenVLA computes again: the blocks of its decoder (blocks), and those of its towers (full)."""
    model.language_model.model.recomputed = level is not Checkpointing.NONE
    for tower in (model.vision_backbone.featurizer, model.vision_backbone.fused_featurizer):
        tower.recomputed = level is Checkpointing.FULL
