"""What lies between the products of an MLP over weights in fp8, forward and backward: adapters added, gated, rounded.

The compiler leaves what adapters add to gate|up and to the gradient of x = silu(gate) * up to a product that is as wide
as these, then writes the sum, and reads each row anew to round it, gate and up each by themselves. Here tiles multiply
by the adapters on the way, write their part of x, or of the gradient, and the largest number of each of their rows; a
second kernel reads that once more and rounds it. Gate|up with its adapters is never written: it is put together again
backward. Loads and stores of the compiler's code counted, MB a layer at 7B, batch 16, 290 places:

    |          | compiled | compiled, grouped | here |
    | forward  |    1,072 |             1,275 |  459 |
    | backward |    1,124 |             1,327 |  816 |

By kernels of our own on a GPU with Triton, elsewhere by torch; both are operators that the compiler leaves as they are.
"""

import torch
from torch import Tensor

from vlatrain.model.fp8 import FP8, rounded
from vlatrain.model.joint_gradients import gated_back, has_kernels

Rounded = tuple[Tensor, Tensor, Tensor]
"""Rows in the type of the passes, the same rounded to fp8, and the factors [M, 1] that bring them back."""


def gated(wide: Tensor, narrow: Tensor, ups: Tensor) -> Rounded:
    """silu(gate) * up [M, n], where gate|up is wide + narrow U^T.

    `wide` [M, 2 n], `narrow` [M, 2 r]; U = `ups` [2 n, 2 r] has one block for gate, one for up, and is zero elsewhere.
    """
    found: Rounded = torch.ops.vlatrain.gated_rounded(wide, narrow, ups)
    return found


def of_gated(
    of_wide: Tensor, of_narrow: Tensor, downs: Tensor, wide: Tensor, narrow: Tensor, ups: Tensor, column_scales: Tensor
) -> Rounded:
    """The gradient of gate|up [M, 2 n], where that of silu(gate) * up is of_wide + of_narrow D.

    `of_wide` [M, n], `of_narrow` [M, k], D = `downs` [k, n]; the others as in `gated`. What is rounded is the gradient
    with its columns times `column_scales` [2 n, 1].
    """
    found: Rounded = torch.ops.vlatrain.of_gated_rounded(of_wide, of_narrow, downs, wide, narrow, ups, column_scales)
    return found


@torch.library.custom_op("vlatrain::gated_rounded", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def _gated(wide: Tensor, narrow: Tensor, ups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if has_kernels(wide):
        from vlatrain.model import gated_kernels  # Triton is there on GPU machines only

        return gated_kernels.gated(wide, narrow, ups)
    gate, up = _gate_and_up(wide, narrow, ups)
    found = (gate * torch.sigmoid(gate) * up).to(wide.dtype)
    return found, *rounded(found)


@torch.library.custom_op("vlatrain::of_gated_rounded", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def _of_gated(
    of_wide: Tensor, of_narrow: Tensor, downs: Tensor, wide: Tensor, narrow: Tensor, ups: Tensor, column_scales: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    if has_kernels(wide):
        from vlatrain.model import gated_kernels

        return gated_kernels.of_gated(of_wide, of_narrow, downs, wide, narrow, ups, column_scales)
    gate, up = _gate_and_up(wide, narrow, ups)
    found = gated_back(of_wide.float() + of_narrow.float() @ downs.float(), gate, up).to(wide.dtype)
    return found, *rounded(found.float() * column_scales.t())


@_gated.register_fake
def _(wide: Tensor, narrow: Tensor, ups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _like(wide, wide.shape[1] // 2)


@_of_gated.register_fake
def _(
    of_wide: Tensor, of_narrow: Tensor, downs: Tensor, wide: Tensor, narrow: Tensor, ups: Tensor, column_scales: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _like(wide, wide.shape[1])


def _like(wide: Tensor, width: int) -> Rounded:
    shape = (wide.shape[0], width)
    return wide.new_empty(shape), wide.new_empty(shape, dtype=FP8), wide.new_empty(shape[0], 1, dtype=torch.float32)


def _gate_and_up(wide: Tensor, narrow: Tensor, ups: Tensor) -> tuple[Tensor, ...]:
    return (wide.float() + narrow.float() @ ups.float().t()).chunk(2, dim=-1)
