"""The adapters of all layers in the type of the passes: cast once before a pass, gradients gathered once after it."""

import torch
from torch import Tensor, nn

from vlatrain.model.fused_lora import FusedLoraLinear


class Shadows:
    """Copies of the fp32 adapters of fused layers, for passes to compute with.

    The masters become views of one tensor, and keep their names and values. Outside training layers do not look here.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        parameters = adapters_of(model)
        sizes = [one.numel() for one in parameters]
        self._masters = torch.cat([one.detach().flatten() for one in parameters])
        for parameter, part in zip(parameters, torch.split(self._masters, sizes), strict=True):
            parameter.data = part.view_as(parameter)
        self._copies = torch.empty_like(self._masters, dtype=dtype)
        parts = torch.split(self._copies, sizes)
        shaped = [part.view_as(one).requires_grad_() for part, one in zip(parts, parameters, strict=True)]
        self._shadows = shaped
        by_master = dict(zip(map(id, parameters), shaped, strict=True))
        for layer in (one for one in model.modules() if isinstance(one, FusedLoraLinear)):
            down, up = layer.masters
            layer.shadows = (by_master[id(down)], by_master[id(up)])

    @torch.no_grad()
    def follow(self) -> None:
        """To be called before a pass: takes the adapters as they are now."""
        self._copies.copy_(self._masters)
        for shadow in self._shadows:
            shadow.grad = None

    @torch.no_grad()
    def gather(self, flat: Tensor) -> None:
        """To be called after a pass: adds its gradients to `flat`, which begins with those of `adapters_of`."""
        flat[: self._masters.numel()] += torch.cat([_gradient(shadow).flatten() for shadow in self._shadows])


def adapters_of(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of all fused adapters, layer by layer."""
    layers = [module for module in model.modules() if isinstance(module, FusedLoraLinear)]
    return [one for layer in layers for one in layer.masters if isinstance(one, nn.Parameter)]


def _gradient(shadow: Tensor) -> Tensor:
    assert shadow.grad is not None, "every adapter that is trained is in every pass"
    return shadow.grad
