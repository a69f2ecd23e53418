"""Linears of one input computed as one, with their adapters as further columns of the frozen weights.

With weights W, adapters D (down) and U (up) and a scale s, LoRA is y = x W^T + s (x D^T) U^T. As one product that is
y = [x, x D^T] [W, s U]^T, and backward dy [W, s U] is the gradient of x by way of W beside that of x D^T. So nothing as
wide as y is written, read or added a second time.

Over weights in fp8 no columns can stand beside W; there the narrow product is added to the wide one.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.model.fp8 import product, product_back
from vlatrain.model.joint_gradients import narrow_beside, of_gated

Gradients = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Group:
    """Linears that read the same input; `outs` are their widths, in the order of the outputs.

    `ups` is s U of all of them, [sum of outs, ranks]: a block for each linear, zero elsewhere. `downs` is all D,
    [ranks, in]. Both are in the type of the passes; `adapters`, D and U of each linear, get the gradients.
    """

    weights: tuple[Tensor, ...]
    """[W, s U] as one tensor, of which `ups` is a part; or W in fp8, its scales, and its transpose (may be empty)."""
    ups: Tensor
    downs: Tensor
    adapters: tuple[Tensor, ...]
    outs: tuple[int, ...]
    scale: float

    def __call__(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., sum of outs]."""
        outs_and_scale = (self.outs, self.scale)
        if len(self.weights) == 1:
            out: Tensor = _Wide.apply(inputs, *self.weights, self.downs, outs_and_scale, *self.adapters)  # type: ignore[no-untyped-call]  # torch's gap
        else:
            out = _WideFp8.apply(inputs, *self.weights, self.ups, self.downs, outs_and_scale, *self.adapters)  # type: ignore[no-untyped-call]  # torch's gap
        return out

    def of_gated(self, joined: Tensor) -> Tensor:
        """Of gate|up [..., 2 in], whose silu(gate) * up is the input; to [..., out]. For weights that are no fp8."""
        (wide,) = self.weights
        out: Tensor = _WideGated.apply(joined, wide, self.downs, (self.outs, self.scale), *self.adapters)  # type: ignore[no-untyped-call]  # torch's gap
        return out


class _Wide(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, wide: Tensor, downs: Tensor, outs_and_scale: Any, *adapters: Tensor
    ) -> Tensor:
        flat = inputs.reshape(-1, inputs.shape[-1])
        narrow = flat @ downs.t()
        ctx.outs_and_scale = outs_and_scale
        ctx.save_for_backward(flat, narrow, wide, downs)
        return (torch.cat((flat, narrow), dim=1) @ wide.t()).view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        flat, narrow, wide, downs = ctx.saved_tensors
        of_outs = gradient.reshape(-1, gradient.shape[-1])
        both = of_outs @ wide
        of_flat, of_narrow = both[:, : flat.shape[1]], both[:, flat.shape[1] :]
        to_adapters = of_adapters(of_outs, flat, narrow, of_narrow, ctx.outs_and_scale)
        return laid_out_sum(gradient, of_flat, of_narrow @ downs), *[None] * 3, *to_adapters


class _WideGated(torch.autograd.Function):
    """The same for x = silu(gate) * up. [x, x D^T] is made in place and kept: no copy of x, the widest of all inputs.

    Backward, the gradient of x goes into that of gate|up in parts: by way of W, and narrow, by way of the adapters.
    """

    @staticmethod
    def forward(
        ctx: Any, joined: Tensor, wide: Tensor, downs: Tensor, outs_and_scale: Any, *adapters: Tensor
    ) -> Tensor:
        rows = joined.reshape(-1, joined.shape[-1])
        gate, up = rows.chunk(2, dim=-1)
        beside = torch.cat((F.silu(gate) * up, rows.new_zeros(len(rows), len(downs))), dim=1)
        narrow_beside(beside, downs)
        ctx.outs_and_scale = outs_and_scale
        ctx.save_for_backward(rows, beside, wide, downs)
        return (beside @ wide.t()).view(*joined.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        rows, beside, wide, downs = ctx.saved_tensors
        n_in = downs.shape[1]
        of_outs = gradient.reshape(-1, gradient.shape[-1])
        both = of_outs @ wide
        of_narrow = both[:, n_in:]
        to_adapters = of_adapters(of_outs, beside[:, :n_in], beside[:, n_in:], of_narrow, ctx.outs_and_scale)
        return of_gated(both, downs, rows).view(*gradient.shape[:-1], -1), *[None] * 3, *to_adapters


class _WideFp8(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, *others: Any) -> Tensor:
        weight, scales, transposed, ups, downs, outs_and_scale = others[:6]  # then the adapters
        flat = inputs.reshape(-1, inputs.shape[-1])
        narrow = flat @ downs.t()
        ctx.outs_and_scale = outs_and_scale
        ctx.save_for_backward(flat, narrow, weight, scales, transposed, ups, downs)
        return laid_out_sum(inputs, product(flat, weight, scales), narrow @ ups.t())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        flat, narrow, weight, scales, transposed, ups, downs = ctx.saved_tensors
        of_outs = gradient.reshape(-1, gradient.shape[-1])
        of_narrow = of_outs @ ups
        of_flat = product_back(of_outs, weight, scales, transposed)
        to_adapters = of_adapters(of_outs, flat, narrow, of_narrow, ctx.outs_and_scale)
        return laid_out_sum(gradient, of_flat, of_narrow @ downs), *[None] * 6, *to_adapters


def laid_out_sum(like: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Of two products, rows laid out as `like`. Added behind that layout, where the compiler leaves the sum to whoever
    reads it; two bare products it would make one with a copy."""
    shape = (*like.shape[:-1], one.shape[1])
    return one.reshape(shape) + other.view(shape)


def of_adapters(
    of_outs: Tensor, flat: Tensor, narrow: Tensor, of_narrow: Tensor, outs_and_scale: tuple[tuple[int, ...], float]
) -> list[Tensor]:
    """D and U of each linear in turn. All U together are one product, of whose blocks those on the diagonal count."""
    outs, scale = outs_and_scale
    rank = narrow.shape[1] // len(outs)
    to_ups = torch.split(of_outs.t() @ narrow, list(outs))
    to_downs = torch.split(of_narrow.t() @ flat, rank)
    found = []
    for number, (down, up) in enumerate(zip(to_downs, to_ups, strict=True)):
        found += [down, up[:, number * rank : (number + 1) * rank] * scale]
    return found
