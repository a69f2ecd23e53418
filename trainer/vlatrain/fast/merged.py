"""Weights for answering only: adapters added to copies of the base's weights, and products of one input made one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vlatrain.model.fp8 import Fp8Linear
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.openvla import OpenVLA

LARGEST_SHARE = 0.5
"""Of the card's free memory; the rest is for keys, values and graphs."""


@contextmanager
def merged(vla: OpenVLA) -> Iterator[None]:
    """The model with its adapters merged, as exported models are, where the card has room for a copy of the weights.

    The sums are rounded once, to the model's type; the base and the adapters stay as they are.
    """
    if not _has_room(vla):
        yield
        return
    try:
        _merge(vla)
        yield
    finally:
        _unmerge(vla)


@torch.no_grad()
def _merge(vla: OpenVLA) -> None:
    dtype = vla.language_model.model.norm.weight.dtype
    for layer in _decoder_layers(vla):
        attention, mlp = layer.self_attn, layer.mlp
        joined = [attention.q_proj, attention.k_proj, attention.v_proj]
        attention.joint = torch.cat([merged_weight(one, dtype) for one in joined])
        mlp.joint = torch.cat([merged_weight(one, dtype) for one in (mlp.gate_proj, mlp.up_proj)])
    is_joined = {id(one) for layer in _decoder_layers(vla) for one in _joined(layer)}
    for linear in _adapted(vla):
        if id(linear) not in is_joined:
            linear.merged_weight = merged_weight(linear, dtype)


def _unmerge(vla: OpenVLA) -> None:
    for layer in _decoder_layers(vla):
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


def _joined(layer: DecoderLayer) -> tuple[nn.Module, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    return attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj


def _decoder_layers(vla: OpenVLA) -> list[DecoderLayer]:
    return [layer for layer in vla.language_model.model.layers if isinstance(layer, DecoderLayer)]


def _adapted(vla: OpenVLA) -> list[FusedLoraLinear]:
    return [module for module in vla.modules() if isinstance(module, FusedLoraLinear)]


def _has_room(vla: OpenVLA) -> bool:
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    each = vla.language_model.model.norm.weight.element_size()
    needed = sum(one.in_features * one.out_features for one in vla.modules() if isinstance(one, nn.Linear)) * each
    return needed <= LARGEST_SHARE * free
