"""The states of decoder layers over the instruction, pooled to one vector a sample: what all statistics are of."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlatrain.configuration.method import StatesAt
from vlatrain.method.probe import ProbeBatch
from vlatrain.model.llama import rotary
from vlatrain.model.openvla import OpenVLA


@torch.no_grad()
def instruction_states(vla: OpenVLA, batch: ProbeBatch, layers: Sequence[int], at: StatesAt) -> Tensor:
    """The mean state over the instruction's tokens, fp32 [B, len(layers), D], at these layers in ascending order.

    What the last layer puts out is taken behind the final norm, as transformers reports hidden states, and the original
    program with it. One pass, which ends at the deepest layer that is asked for.
    """
    decoder = vla.language_model.model
    hidden = vla.embed(batch.pixel_values, batch.input_ids)
    turn = rotary(torch.arange(hidden.shape[1], device=hidden.device), decoder.config, hidden.dtype)
    shares = instruction_shares(batch, vla.config.n_patches)
    pooled = []
    for index in range(max(layers) + 1):
        if at is StatesAt.INPUT and index in layers:
            pooled.append(pool(hidden, shares))
        hidden = decoder.layers[index](hidden, turn)
        if at is StatesAt.OUTPUT and index in layers:
            is_last = index == len(decoder.layers) - 1
            pooled.append(pool(decoder.norm(hidden) if is_last else hidden, shares))
    return torch.stack(pooled, dim=1)


def instruction_mask(batch: ProbeBatch, n_patches: int) -> Tensor:
    """Where the instruction is among all places, patches included: bool [B, T + n_patches]."""
    places = torch.arange(batch.input_ids.shape[1] + n_patches, device=batch.input_ids.device)
    return (places >= batch.first[:, None] + n_patches) & (places < batch.end[:, None] + n_patches)


def instruction_shares(batch: ProbeBatch, n_patches: int) -> Tensor:
    """The weight of each place in the mean over the instruction, fp32 [B, T + n_patches]."""
    mask = instruction_mask(batch, n_patches).float()
    return mask / mask.sum(1, keepdim=True)


def pool(hidden: Tensor, shares: Tensor) -> Tensor:
    """The weighted mean of states [B, S, D] over places, in fp32: [B, D]."""
    return torch.einsum("bs,bsd->bd", shares, hidden.float())


@torch.no_grad()
def entering_state(vla: OpenVLA, batch: ProbeBatch, layer: int) -> Tensor:
    """The states [B, S, D] that enter a layer; one past the last: that leave the last, before the final norm."""
    decoder = vla.language_model.model
    hidden = vla.embed(batch.pixel_values, batch.input_ids)
    turn = rotary(torch.arange(hidden.shape[1], device=hidden.device), decoder.config, hidden.dtype)
    for index in range(layer):
        hidden = decoder.layers[index](hidden, turn)
    return hidden
