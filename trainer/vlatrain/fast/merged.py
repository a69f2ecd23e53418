"""Weights for answering only: adapters added to copies of the base's weights, and products of one input made one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vlatrain.model.fp8 import Fp8Linear
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import Attention, DecoderLayer, Mlp
from vlatrain.model.openvla import OpenVLA

LARGEST_SHARE = 0.5
"""Of the card's free memory; the rest is for keys, values and graphs."""


W_co = TypeVar("W_co", covariant=True)


class LayerWeights(NamedTuple, Generic[W_co]):
    """The weights of one decoder layer; those of linears that share an input lie behind each other.

    Merged ones are tensors [out, in], adapters added.
    """

    asked: W_co
    """Queries, keys and values"""
    output: W_co
    gated: W_co
    """Gate and up"""
    down: W_co


@contextmanager
def merged(vla: OpenVLA) -> Iterator[list[LayerWeights[Tensor]] | None]:
    """The model with its adapters merged, as exported models are, where the card has room for a copy of the weights.

    The sums are rounded once, to the model's type; the base and the adapters stay as they are. Gives the decoder's,
    or none where there is no room.
    """
    if not _has_room(vla):
        yield None
        return
    try:
        yield _merge(vla)
    finally:
        _unmerge(vla)


@torch.no_grad()
def _merge(vla: OpenVLA) -> list[LayerWeights[Tensor]]:
    dtype = vla.language_model.model.norm.weight.dtype
    layers = decoder_layers(vla)
    found = [
        LayerWeights(*(_joined([merged_weight(one, dtype) for one in linears]) for linears in layer.of_one_input))
        for layer in layers
    ]
    for layer, weights in zip(layers, found, strict=True):
        _use(layer, weights)
    in_layers = {id(one) for layer in layers for one in layer.modules()}
    for linear in _adapted(vla):
        if id(linear) not in in_layers:
            linear.merged_weight = merged_weight(linear, dtype)
    return found


def read_prompts(vla: OpenVLA, *, is_merged: bool) -> None:
    """Whether the decoder's layers take merged weights for prompts as well, or for single places only."""
    for layer in decoder_layers(vla):
        for module in layer.modules():
            if isinstance(module, Attention | Mlp | FusedLoraLinear):
                module.merges_prompts = is_merged


def _use(layer: DecoderLayer, weights: LayerWeights[Tensor]) -> None:
    """Until `_unmerge`."""
    layer.self_attn.joint, layer.mlp.joint = weights.asked, weights.gated
    for linear, weight in ((layer.self_attn.o_proj, weights.output), (layer.mlp.down_proj, weights.down)):
        if isinstance(linear, FusedLoraLinear):
            linear.merged_weight = weight


def _unmerge(vla: OpenVLA) -> None:
    read_prompts(vla, is_merged=True)
    for layer in decoder_layers(vla):
        layer.self_attn.joint = layer.mlp.joint = None
    for linear in _adapted(vla):
        linear.merged_weight = None


def merged_weight(linear: nn.Module, dtype: torch.dtype) -> Tensor:
    """[out, in] of a linear with or without an adapter, over weights in any form."""
    if isinstance(linear, FusedLoraLinear):
        down, up = linear.masters
        return (_plain_weight(linear.base_layer) + linear.scale * (up @ down)).to(dtype)
    return _plain_weight(linear).to(dtype)


def _plain_weight(linear: nn.Module) -> Tensor:
    if isinstance(linear, Fp8Linear):
        return linear.weight.float() * linear.scales
    assert isinstance(linear.weight, Tensor)
    return linear.weight


def _joined(weights: list[Tensor]) -> Tensor:
    return torch.cat(weights) if len(weights) > 1 else weights[0]


def decoder_layers(vla: OpenVLA) -> list[DecoderLayer]:
    """All of them, in their order."""
    return [layer for layer in vla.language_model.model.layers if isinstance(layer, DecoderLayer)]


def _adapted(vla: OpenVLA) -> list[FusedLoraLinear]:
    return [module for module in vla.modules() if isinstance(module, FusedLoraLinear)]


def _has_room(vla: OpenVLA) -> bool:
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    each = vla.language_model.model.norm.weight.element_size()
    needed = sum(one.in_features * one.out_features for one in vla.modules() if isinstance(one, nn.Linear)) * each
    return needed <= LARGEST_SHARE * free
