"""A LoRA linear in the arithmetic of its input: no autocast, no detour of the input through fp32."""

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.nn import functional as F


class FusedLoraLinear(Linear):
    """PEFT's layer with its parameters, names and files; only the forward pass is ours.

    The fp32 adapters are brought to the input's type, so that gradients reach them in fp32 and products run in bf16.
    The scale is applied to the narrow state between the two adapters, not to the wide one behind them.
    """

    merged_weight: Tensor | None = None
    """While the policy answers, and there is room: base and adapter added up, as exported models have them."""

    merges_prompts = True
    """Whether `merged_weight` is for many places of a row, too."""

    beside: Callable[[Tensor], Tensor] | None = None
    """While the policy answers over weights in fp8: base and adapter, as it is at that time."""

    shadows: tuple[Tensor, Tensor] | None = None
    """While it trains, and somebody keeps them: the adapter's parameters in the type of the passes."""

    grouped: Callable[[Tensor], Tensor] | None = None
    """While it trains by groups: what computes base and adapter as one product."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """x [..., in] to [..., out]; PEFT's own pass where the adapter is merged or switched off."""
        if self.merged_weight is not None and (self.merges_prompts or x.shape[-2] == 1):
            bias = self.base_layer.bias
            assert bias is None or isinstance(bias, Tensor)
            return F.linear(x, self.merged_weight, bias)
        if self.beside is not None:
            return self.beside(x)
        if self.disable_adapters or self.merged or args or kwargs:
            plain: Tensor = super().forward(x, *args, **kwargs)
            return plain
        if self.grouped is not None and torch.is_grad_enabled():
            return self.grouped(x)
        down, up = self.shadows if self.shadows is not None and torch.is_grad_enabled() else self.masters
        narrow = F.linear(x, down.to(x.dtype)) * self.scale
        out: Tensor = self.base_layer(x) + F.linear(narrow, up.to(x.dtype))
        return out

    @property
    def masters(self) -> tuple[Tensor, Tensor]:
        """The adapter's own parameters, fp32 [rank, in] and [out, rank]."""
        (name,) = self.active_adapters
        return weight_of(self.lora_A[name]), weight_of(self.lora_B[name])

    @property
    def scale(self) -> float:
        """alpha / rank."""
        (name,) = self.active_adapters
        return float(self.scaling[name])


def weight_of(linear: nn.Module) -> Tensor:
    """[out, in] of what PEFT's types call a module."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    return weight
