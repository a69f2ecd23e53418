"""Gradients of joint products, written once, straight into one tensor; and narrow states written beside their input.

What was cut (gate|up, queries|keys|values) has a gradient that is put together again. The compiler computes it as one
kernel over the joint width, in which each part reads all of its inputs anew: at 7B and batch 16, 919 MB a layer for
gate|up instead of 613, and 304 for queries|keys|values instead of 228. Here each input is read once: by kernels of our
own on a GPU with Triton, elsewhere by torch. All are operators that the compiler leaves as they are; they take rows in
any layout.
"""

from importlib.util import find_spec

import torch
from torch import Tensor

HAS_TRITON = find_spec("triton") is not None


def of_gated(both: Tensor, downs: Tensor, joined: Tensor) -> Tensor:
    """That of gate|up `joined` [M, 2 n], where silu(gate) * up has the gradient both[:, :n] + both[:, n:] D.

    `both` [M, n + ranks], D [ranks, n].
    """
    found: Tensor = torch.ops.vlatrain.of_gated(both, downs, joined)
    return found


def of_turned(query: Tensor, key: Tensor, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """That of queries|keys|values [B, S, 3 H n], from those of turned queries and keys and of values, each
    [B, H, S, n]; `cos` and `sin` [1 or B, 1, S, n] have turned them.
    """
    found: Tensor = torch.ops.vlatrain.of_turned(query, key, value, cos, sin)
    return found


def narrow_beside(beside: Tensor, downs: Tensor) -> None:
    """Writes x D^T into the last columns of `beside` [M, n + ranks], whose first are x; downs D [ranks, n]."""
    torch.ops.vlatrain.narrow_beside(beside, downs)


@torch.library.custom_op("vlatrain::of_gated", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def _of_gated(both: Tensor, downs: Tensor, joined: Tensor) -> Tensor:
    if has_kernels(joined):
        from vlatrain.model import joint_kernels  # Triton is there on GPU machines only

        return joint_kernels.of_gated(both, downs, joined)
    n_in = downs.shape[1]
    gradient = both[:, :n_in].float() + both[:, n_in:] @ downs
    return gated_back(gradient, *joined.float().chunk(2, dim=-1)).to(joined.dtype)


@torch.library.custom_op("vlatrain::of_turned", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def _of_turned(query: Tensor, key: Tensor, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    if has_kernels(query):
        from vlatrain.model import joint_kernels

        return joint_kernels.of_turned(query, key, value, cos, sin)
    parts = (_turned_back(query, cos, sin), _turned_back(key, cos, sin), value)
    return torch.cat([one.transpose(1, 2).flatten(2) for one in parts], dim=-1)


@torch.library.custom_op("vlatrain::narrow_beside", mutates_args=("beside",), tags=(torch.Tag.flexible_layout,))
def _narrow_beside(beside: Tensor, downs: Tensor) -> None:
    n_in = downs.shape[1]
    torch.mm(beside[:, :n_in], downs.t(), out=beside[:, n_in:])


@_of_gated.register_fake
def _(both: Tensor, downs: Tensor, joined: Tensor) -> Tensor:
    return joined.new_empty(joined.shape)


@_of_turned.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    batch, heads, places, size = query.shape
    return query.new_empty(batch, places, 3 * heads * size)


def gated_back(gradient: Tensor, gate: Tensor, up: Tensor) -> Tensor:
    """Gradients of gate and of up, behind each other, where silu(gate) * up has `gradient`."""
    share = torch.sigmoid(gate)
    return torch.cat((gradient * up * share * (1 + gate * (1 - share)), gradient * gate * share), dim=-1)


def _turned_back(gradient: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    wide, first, second = gradient.float(), *(gradient.float() * sin).chunk(2, dim=-1)
    return (wide * cos + torch.cat((second, -first), dim=-1)).to(gradient.dtype)


def has_kernels(one: Tensor) -> bool:
    """Whether the kernels take it."""
    return one.is_cuda and HAS_TRITON
