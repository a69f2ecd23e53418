"""The adapters of all layers in the type of the passes: cast once before a pass, gradients gathered once after it."""

from collections.abc import Sequence
from itertools import accumulate

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
        self._offsets = dict(zip(map(id, parameters), accumulate([0, *sizes]), strict=False))
        self._others: list[tuple[Tensor, Tensor, float]] = []
        by_master = dict(zip(map(id, parameters), shaped, strict=True))
        for layer in (one for one in model.modules() if isinstance(one, FusedLoraLinear)):
            down, up = layer.masters
            layer.shadows = (by_master[id(down)], by_master[id(up)])

    @torch.no_grad()
    def follow(self) -> None:
        """To be called before a pass: takes the adapters as they are now."""
        self._copies.copy_(self._masters)
        for place, master, scale in self._others:
            torch.mul(master, scale, out=place)
        for shadow in self._shadows:
            shadow.grad = None

    def joint(self, masters: Sequence[Tensor]) -> Tensor:
        """The copies of adapters [rank, in] that are neighbours in `adapters_of`, as one tensor [ranks, in]."""
        first, size = self._offsets[id(masters[0])], sum(one.numel() for one in masters)
        assert self._offsets[id(masters[-1])] + masters[-1].numel() == first + size, "neighbours lie behind each other"
        return self._copies[first : first + size].view(-1, masters[0].shape[1])

    def also(self, place: Tensor, master: Tensor, scale: float) -> None:
        """From now on `place` follows too: it is the adapter, in the place's type, times `scale`."""
        self._others.append((place, master, scale))

    @torch.no_grad()
    def gather(self, flat: Tensor) -> None:
        """To be called after a pass: adds its gradients to `flat`, which begins with those of `adapters_of`."""
        flat[: self._masters.numel()] += torch.cat([_gradient(shadow).flatten() for shadow in self._shadows])


def adapters_of(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of all fused adapters: first what narrows, layer by layer, then what widens."""
    layers = [module for module in model.modules() if isinstance(module, FusedLoraLinear)]
    return [one for half in (0, 1) for layer in layers if isinstance(one := layer.masters[half], nn.Parameter)]


def _gradient(shadow: Tensor) -> Tensor:
    assert shadow.grad is not None, "every adapter that is trained is in every pass"
    return shadow.grad
