"""The MLP of a decoder layer over weights in fp8 as one function: what lies between its products is read once."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd import Function

from vlatrain.model.fp8 import product, product_back, rounded_product_back, scaled_product
from vlatrain.model.gated_rounding import gated, of_gated
from vlatrain.model.grouped_lora import Gradients, Group, laid_out_sum, of_adapters


@dataclass(frozen=True)
class Fp8Mlp:
    """down(silu(gate) * up): of gate and up as one group, and of down by itself."""

    gate_and_up: Group
    down: Group

    def __call__(self, hidden: Tensor) -> Tensor:
        """[..., width] to [..., width]."""
        groups = (self.gate_and_up, self.down)
        frozen = [one for group in groups for one in (*group.weights, group.ups, group.downs)]
        outs_and_scales = [(group.outs, group.scale) for group in groups]
        adapters = (one for group in groups for one in group.adapters)
        out: Tensor = _Mlp.apply(hidden, *frozen, *outs_and_scales, *adapters)  # type: ignore[no-untyped-call]  # torch's gap
        return out


class _Mlp(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, *others: Any) -> Tensor:
        weight, scales, _, ups, downs = others[:5]
        down_weight, down_scales, _, down_ups, down_downs = others[5:10]
        flat = hidden.reshape(-1, hidden.shape[-1])
        narrow, wide = flat @ downs.t(), product(flat, weight, scales)
        inner, rows, row_scales = gated(wide, narrow, ups)
        inner_narrow = inner @ down_downs.t()
        ctx.outs_and_scales = others[10:12]  # then the adapters
        ctx.save_for_backward(flat, narrow, wide, inner, inner_narrow, *others[:10])
        out = scaled_product(rows, row_scales, down_weight.t(), down_scales.t(), hidden.dtype)
        return laid_out_sum(hidden, out, inner_narrow @ down_ups.t())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        flat, narrow, wide, inner, inner_narrow, *others = ctx.saved_tensors
        weight, scales, transposed, ups, downs = others[:5]
        down_weight, down_scales, down_transposed, down_ups, down_downs = others[5:]
        of_outs = gradient.reshape(-1, gradient.shape[-1])
        of_inner = product_back(of_outs, down_weight, down_scales, down_transposed)
        of_inner_narrow = of_outs @ down_ups
        of_wide, rows, row_scales = of_gated(of_inner, of_inner_narrow, down_downs, wide, narrow, ups, scales)
        of_flat = rounded_product_back(rows, row_scales, weight, transposed, gradient.dtype)
        of_narrow = of_wide @ ups
        to_adapters = (
            *of_adapters(of_wide, flat, narrow, of_narrow, ctx.outs_and_scales[0]),
            *of_adapters(of_outs, inner, inner_narrow, of_inner_narrow, ctx.outs_and_scales[1]),
        )
        return laid_out_sum(gradient, of_flat, of_narrow @ downs), *[None] * 12, *to_adapters
