"""One more token a row through all layers of the decoder: few kernels, each reading its weights once.

A layer is five steps: queries, keys and values; attention; its output onto the states; gate and up; down onto the
states. For a single row each step is one kernel of `one_token_kernels`, which reads the weights as fast as memory gives
them; for more rows products are torch's, and attention is ours. On a CPU all steps are torch's.

Over merged weights in bf16 a layer of the published 7B reads 405 MB in five launches. Over weights in fp8 with adapters
of rank 32 beside them it reads 202 MB of weights, 0.2 of their scales and 5 of adapters (2.3 of D, 2.7 of U), in nine:
what an adapter narrows, 32 numbers a linear, must be known before a product's last number is, and is a launch of its
own before each of the four products, all D of one input together. Within the product every program would read these D
again, 0.3 to 0.8 MB; as further rows of the kernel before they cannot be had: norm, gate or attention lie between.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.fast.beside import Beside
from vlatrain.fast.merged import LayerWeights
from vlatrain.model.llama import DecoderLayer, LayerCache, LlamaModel, RmsNorm, Rotary, rotary

Weights = Tensor | Beside
"""Of linears with one input: merged [out, in], or in fp8 with adapters beside"""


class OneToken:
    """Instead of the decoder's layers, where each row has one place: see `LlamaModel.one_token`."""

    def __init__(self, decoder: LlamaModel, weights: Sequence[LayerWeights[Weights]]) -> None:
        self._decoder = decoder
        self._weights = weights

    def __call__(self, hidden: Tensor, caches: list[LayerCache], places: Tensor) -> Tensor:
        """hidden [B, 1, width] at `places` [B] to the last layer's, [B, 1, width]. Fills the caches."""
        turn = rotary(places[:, None], self._decoder.config, hidden.dtype)
        states = hidden[:, 0]
        for layer, weights, cache in zip(self._decoder.layers, self._weights, caches, strict=True):
            assert isinstance(layer, DecoderLayer)
            states = through(layer, weights, states, turn, cache, places)
        return states[:, None]


def through(
    layer: DecoderLayer,
    weights: LayerWeights[Weights],
    states: Tensor,
    turn: Rotary,
    cache: LayerCache,
    places: Tensor,
) -> Tensor:
    """states [B, width] behind one layer."""
    asked = normed_product(states, layer.input_layernorm, weights.asked)
    states = product_onto(states, attended(asked, turn, cache, places), weights.output)
    inner = gated_product(states, layer.post_attention_layernorm, weights.gated)
    return product_onto(states, inner, weights.down)


def normed_product(states: Tensor, norm: RmsNorm, weight: Weights) -> Tensor:
    """[B, in] to [B, out]."""
    if _is_single(states):
        from vlatrain.fast import one_token_kernels  # Triton is there on GPU machines only

        return one_token_kernels.product(states, weight, norm=norm)
    return _product(norm(states), weight)


def product_onto(states: Tensor, inputs: Tensor, weight: Weights) -> Tensor:
    """inputs [B, in] times weight, added to states [B, out]."""
    if _is_single(states):
        from vlatrain.fast import one_token_kernels

        return one_token_kernels.product(inputs, weight, onto=states)
    return states + weight(inputs) if isinstance(weight, Beside) else torch.addmm(states, inputs, weight.t())


def gated_product(states: Tensor, norm: RmsNorm, weight: Weights) -> Tensor:
    """[B, in] to what gate and up, whose weights lie behind each other, give together: [B, out / 2]."""
    if _is_single(states):
        from vlatrain.fast import one_token_kernels

        return one_token_kernels.gated(states, weight, norm)
    gate, up = _product(norm(states), weight).chunk(2, dim=-1)
    return F.silu(gate) * up


def attended(asked: Tensor, turn: Rotary, cache: LayerCache, places: Tensor) -> Tensor:
    """asked [B, 3 width] holds each row's query, key and value; [B, width]. Puts key and value into the cache."""
    if has_kernels(asked):
        from vlatrain.fast import one_token_attention

        return one_token_attention.attended(asked, turn.cos, turn.sin, cache.keys, cache.values, places)
    return attended_plainly(asked, turn, cache, places)


def attended_plainly(asked: Tensor, turn: Rotary, cache: LayerCache, places: Tensor) -> Tensor:
    """The same by torch."""
    rows, heads, n_places, size = cache.keys.shape
    query, key, value = (one.view(rows, heads, 1, size) for one in asked.chunk(3, dim=-1))
    keys, values = cache.put(turn.turn(key), value, places)
    known = (torch.arange(n_places, device=places.device) <= places[:, None])[:, None, None]
    return F.scaled_dot_product_attention(turn.turn(query), keys, values, attn_mask=known).reshape(rows, -1)


def _product(inputs: Tensor, weight: Weights) -> Tensor:
    return weight(inputs) if isinstance(weight, Beside) else F.linear(inputs, weight)


def has_kernels(tensor: Tensor) -> bool:
    """Whether the kernels take it."""
    return tensor.is_cuda and tensor.dtype is torch.bfloat16 and find_spec("triton") is not None


def _is_single(states: Tensor) -> bool:
    return len(states) == 1 and has_kernels(states)
