"""Weights for answering over a base in fp8: the base's own, where they lie, and the adapters beside them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlatrain.fast.merged import LayerWeights, decoder_layers
from vlatrain.model.fp8 import base_of, lay_together, product
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.openvla import OpenVLA


@dataclass(frozen=True, slots=True)
class Adapters:
    """Those of linears with one input: `downs` [ranks, in] are all D; `ups` [out, ranks] all s U, in blocks.

    A block has `rank` columns, and as many rows as its linear, all of which are equally wide; elsewhere are zeros.
    """

    downs: Tensor
    ups: Tensor
    rank: int

    def __call__(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out], in the inputs' type."""
        return F.linear(F.linear(inputs, self.downs), self.ups)


@dataclass(frozen=True, slots=True)
class Beside:
    """Linears of one input, outputs behind each other: W x + s U D x, with `weight` [out, in] in fp8.

    `scales` [out, 1] bring its rows back. Called, it computes as training does, inputs rounded to fp8, too; the kernels
    of one token multiply inputs as they are.
    """

    weight: Tensor
    scales: Tensor
    adapters: Adapters | None

    def __call__(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out], in the inputs' type."""
        wide = product(inputs.reshape(-1, inputs.shape[-1]), self.weight, self.scales).view(*inputs.shape[:-1], -1)
        return wide if self.adapters is None else wide + self.adapters(inputs)


@torch.no_grad()
def beside(vla: OpenVLA) -> list[LayerWeights[Beside]]:
    """Of the decoder's layers, whose weights are in fp8; adapters as they are now, in the model's type."""
    dtype = vla.language_model.model.norm.weight.dtype
    return [LayerWeights(*(_joined(linears, dtype) for linears in layer.of_one_input)) for layer in decoder_layers(vla)]


@contextmanager
def read_beside(vla: OpenVLA, weights: Sequence[LayerWeights[Beside]]) -> Iterator[None]:
    """The decoder's layers by `weights`: as in training, but linears of one input together, no adapter cast anew."""
    layers = decoder_layers(vla)
    try:
        for layer, own in zip(layers, weights, strict=True):
            _set(layer, own)
        yield
    finally:
        for layer in layers:
            _set(layer, LayerWeights(None, None, None, None))


def _set(layer: DecoderLayer, weights: LayerWeights[Beside | None]) -> None:
    layer.self_attn.beside, layer.mlp.beside = weights.asked, weights.gated
    for linear, own in ((layer.self_attn.o_proj, weights.output), (layer.mlp.down_proj, weights.down)):
        if isinstance(linear, FusedLoraLinear):
            linear.beside = own


def _joined(linears: Sequence[nn.Module], dtype: torch.dtype) -> Beside:
    weight, scales = lay_together([base_of(one) for one in linears])
    return Beside(weight, scales, _adapters(linears, dtype))


def _adapters(linears: Sequence[nn.Module], dtype: torch.dtype) -> Adapters | None:
    """None where no linear has one; a linear without gets zeros where another has one."""
    members = [one for one in linears if isinstance(one, FusedLoraLinear)]
    if not members:
        return None
    rank = len(members[0].masters[0])
    downs, ups = zip(*(_scaled(one, rank) for one in linears), strict=True)
    blocks: Tensor = torch.block_diag(*ups)  # type: ignore[no-untyped-call]  # torch's gap
    return Adapters(torch.cat(downs).to(dtype), blocks.to(dtype), rank)


def _scaled(linear: nn.Module, rank: int) -> tuple[Tensor, Tensor]:
    """D [rank, in] and s U [out, rank]."""
    if isinstance(linear, FusedLoraLinear):
        down, up = linear.masters
        return down, linear.scale * up
    base = base_of(linear)
    return base.scales.new_zeros(rank, base.in_features), base.scales.new_zeros(base.out_features, rank)
