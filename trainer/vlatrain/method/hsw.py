"""HSW, surgery on the gradient that enters a decoder layer: its fragile and plastic parts are turned down.

The gradient g of a layer's input splits into g_f = g U_f U_f^T, g_p = g U_p U_p^T and the rest g_n. On it goes as
g' = g_n + beta g_p + gamma g_f, shortened where it would be longer than g. beta = gamma = 1 changes no bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vlatrain.model.llama import LlamaModel


class Norms(NamedTuple):
    """Of one gradient: before, after the weighting, after the shortening; the factor of it; and of the three parts."""

    g: Any
    g_pre: Any
    g_post: Any
    g_scale: Any
    g_fragile: Any
    g_plastic: Any
    g_null: Any


class Subspace(NamedTuple):
    """Orthonormal directions as columns: fragile [D, f] and plastic [D, p]."""

    fragile: Tensor
    plastic: Tensor


class _Surgery(torch.autograd.Function):
    """Identity forward. The norms leave the backward pass as the gradient of `record`, which therefore adds them up:
    no mutation that a compiler would have to order, and no wait for the device."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, basis: Tensor, n_fragile: int, dials: Tensor, record: Tensor) -> Tensor:
        ctx.basis, ctx.n_fragile, ctx.dials = basis, n_fragile, dials  # as they are at the backward pass, not now
        return hidden.view_as(hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        operated, norms = operate(gradient, ctx.basis, ctx.n_fragile, ctx.dials)
        return operated, None, None, None, norms


def operate(gradient: Tensor, basis: Tensor, n_fragile: int, dials: Tensor) -> tuple[Tensor, Tensor]:
    """The surgery itself: the gradient that goes on, of the same shape and type, and the seven Norms in fp32.

    gradient [..., D]; basis [D, f + p], fragile columns first; dials: see `Dials`. Half precision is worked on in fp32,
    whose range the products need.
    """
    flat = gradient.reshape(-1, gradient.shape[-1])
    flat = flat.float() if flat.dtype is torch.float16 else flat
    basis = basis.to(flat.dtype)
    beta, gamma, eps, unscale = dials.unbind()
    parts = flat @ basis
    fragile, plastic = parts[:, :n_fragile], parts[:, n_fragile:]
    weights = torch.cat((gamma.expand(n_fragile), beta.expand(plastic.shape[1]))) - 1
    weighted = torch.addmm(flat, (parts * weights).to(flat.dtype), basis.T)
    before, after, f, p = (_norm(one) for one in (flat, weighted, fragile, plastic))
    is_identity = (beta == 1) & (gamma == 1)
    scale = (before / (after + eps)).clamp(max=1.0)
    scale = torch.where(is_identity, torch.ones_like(scale), scale)  # a plain 1.0 would wait to be copied there
    goes_on = torch.where(is_identity, flat, weighted * scale.to(flat.dtype))
    null = (before.square() - f.square() - p.square()).clamp(min=0).sqrt()
    lengths = torch.stack(Norms(before, after, after * scale, scale / unscale, f, p, null)).float() * unscale
    return goes_on.to(gradient.dtype).view_as(gradient), lengths


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32))
    return norm


class Dials:
    """What turns every surgery, on the device: beta, gamma, eps and one over the loss scale.

    A graph that was captured or compiled sees every change. eps grows with the loss scale, so that the surgery of a
    scaled gradient is the scaled surgery.
    """

    def __init__(self, beta: float, gamma: float, eps: float, device: torch.device) -> None:
        self.values = torch.tensor([beta, gamma, eps, 1.0], device=device)
        self._eps = torch.tensor(eps, device=device)

    def turn(self, beta: float, gamma: float) -> None:
        """Sets beta and gamma for the next backward pass."""
        self.values[:2] = torch.tensor([beta, gamma])

    def follow(self, scaler: torch.amp.GradScaler) -> None:
        """Takes the loss scale of the next backward pass, without waiting for the device."""
        if scaler.is_enabled():
            scaled = scaler.scale(self._eps)
            self.values[2] = scaled
            self.values[3] = self._eps / scaled


@dataclass(slots=True)
class LayerSurgery:
    """The surgery of one layer's input, and what its gradients measured since the last reading."""

    basis: Tensor
    n_fragile: int
    dials: Tensor
    record: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.record = torch.zeros(len(Norms._fields), device=self.basis.device, requires_grad=True)
        self.record.grad = torch.zeros_like(self.record)

    def __call__(self, hidden: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return hidden
        passed: Tensor = _Surgery.apply(hidden, self.basis, self.n_fragile, self.dials, self.record)  # type: ignore[no-untyped-call]  # torch's gap
        return passed

    @property
    def sums(self) -> Tensor:
        """The norms of all gradients since the last clearing, added up."""
        assert self.record.grad is not None
        return self.record.grad


class Surgeries:
    """The surgeries of a model, by layer. `count` gradients went through each since the last clearing."""

    def __init__(self, subspaces: Mapping[int, Subspace], dials: Dials) -> None:
        self.dials = dials
        self.count = 0
        self.by_layer = {
            layer: LayerSurgery(torch.cat(subspace, dim=1), subspace.fragile.shape[1], dials.values)
            for layer, subspace in subspaces.items()
        }

    def install(self, decoder: LlamaModel) -> None:
        """From now on gradients of the decoder pass through; its outputs stay what they are."""
        decoder.at_input = {**self.by_layer}

    def expect_backward(self, scaler: torch.amp.GradScaler) -> None:
        """To be called before each backward pass."""
        self.dials.follow(scaler)
        self.count += 1

    def sums(self) -> list[float]:
        """Norms added up, layer by layer. Waits for the device."""
        return torch.stack([surgery.sums for surgery in self.by_layer.values()]).flatten().tolist()

    def clear(self) -> None:
        for surgery in self.by_layer.values():
            surgery.sums.zero_()
        self.count = 0

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "sums": self.sums()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes up sums of the same layers; of others it starts anew."""
        self.clear()
        if len(saved["sums"]) == len(self.by_layer) * len(Norms._fields):
            self.count = int(saved["count"])
            rows = torch.tensor(saved["sums"]).view(len(self.by_layer), -1)
            for surgery, row in zip(self.by_layer.values(), rows, strict=True):
                surgery.sums.copy_(row)
