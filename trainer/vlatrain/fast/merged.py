"""Weights for answering only: adapters added to copies of the base's weights, and products of one input made one."""

from collections.abc import Iterator, Sequence
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
    """The model with its adapters merged, as exported models are, where the card has room for copies of the weights.

    The sums are rounded once, to the model's type; the base and the adapters stay as they are. Gives what
    `merged_layers` gives.
    """
    with merged_others(vla), merged_layers(vla) as weights:
        yield weights


@contextmanager
def merged_layers(vla: OpenVLA) -> Iterator[list[LayerWeights[Tensor]] | None]:
    """Of that the decoder's layers: their weights, or none where there is no room."""
    layers = decoder_layers(vla)
    found = _merged_weights(layers, _dtype(vla)) if _has_room(layers, _dtype(vla)) else None
    try:
        for layer, weights in zip(layers, found or (), strict=found is not None):
            _use(layer, weights)
        yield found
    finally:
        read_prompts(vla, is_merged=True)
        for layer in layers:
            layer.self_attn.joint = layer.mlp.joint = None
        _forget(layers)


@contextmanager
def merged_others(vla: OpenVLA) -> Iterator[None]:
    """Of that all but the decoder's layers: towers, projector and head."""
    others = [vla.vision_backbone, vla.projector, vla.language_model.lm_head]
    try:
        if _has_room(others, _dtype(vla)):
            _merge(others, _dtype(vla))
        yield
    finally:
        _forget(others)


@torch.no_grad()
def _merged_weights(layers: Sequence[DecoderLayer], dtype: torch.dtype) -> list[LayerWeights[Tensor]]:
    return [
        LayerWeights(*(_joined([merged_weight(one, dtype) for one in linears]) for linears in layer.of_one_input))
        for layer in layers
    ]


@torch.no_grad()
def _merge(parts: Sequence[nn.Module], dtype: torch.dtype) -> None:
    for linear in _adapted(parts):
        linear.merged_weight = merged_weight(linear, dtype)


def _forget(parts: Sequence[nn.Module]) -> None:
    for linear in _adapted(parts):
        linear.merged_weight = None


def read_prompts(vla: OpenVLA, *, is_merged: bool) -> None:
    """Whether the decoder's layers take merged weights for prompts as well, or for single places only."""
    for layer in decoder_layers(vla):
        for module in layer.modules():
            if isinstance(module, Attention | Mlp | FusedLoraLinear):
                module.merges_prompts = is_merged


def _use(layer: DecoderLayer, weights: LayerWeights[Tensor]) -> None:
    layer.self_attn.joint, layer.mlp.joint = weights.asked, weights.gated
    for linear, weight in ((layer.self_attn.o_proj, weights.output), (layer.mlp.down_proj, weights.down)):
        if isinstance(linear, FusedLoraLinear):
            linear.merged_weight = weight


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


def _adapted(parts: Sequence[nn.Module]) -> list[FusedLoraLinear]:
    return [module for part in parts for module in part.modules() if isinstance(module, FusedLoraLinear)]


def _dtype(vla: OpenVLA) -> torch.dtype:
    return vla.language_model.model.norm.weight.dtype


def _has_room(parts: Sequence[nn.Module], dtype: torch.dtype) -> bool:
    """For copies of all their linears' weights."""
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    linears = [one for part in parts for one in part.modules() if isinstance(one, nn.Linear)]
    return sum(one.in_features * one.out_features for one in linears) * dtype.itemsize <= LARGEST_SHARE * free
