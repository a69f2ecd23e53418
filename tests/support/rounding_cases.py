"""What lies between the products of an MLP over weights in fp8, by our operators and kernels, beside autograd's own."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from vlatrain.model import gated_rounding
from vlatrain.model.fp8 import FP8, rounded


@dataclass(frozen=True)
class Case:
    """`found` beside what is `expected` in fp32; and the same rounded, with columns times `column_scales` [1, n]."""

    found: Tensor
    expected: Tensor
    rows: Tensor
    scales: Tensor
    column_scales: Tensor

    @property
    def distance(self) -> float:
        """As a share of what is expected."""
        return float((self.found.float() - self.expected).norm() / self.expected.norm())

    @property
    def worst_rounding(self) -> float:
        """By how much a number is farther from its fp8 number than from where torch rounds it, as a share of it.

        0 but where two fp8 numbers are as near: there it is the arithmetic's own error.
        """
        values = self.found.float() * self.column_scales
        assert torch.allclose(self.scales, rounded(values)[1], rtol=1e-6, atol=0)
        values = values / self.scales
        ours, theirs = ((one.to(FP8).float() - values).abs() for one in (self.rows, values))
        return float(((ours - theirs) / values.abs().clamp(min=1e-6)).max())


def cases(device: str, dtype: torch.dtype, rows: int = 6, width: int = 48, rank: int = 8) -> list[Case]:
    """Forward and backward; `rank` of each adapter."""
    wide, narrow, of_wide, of_narrow, downs = _made(
        device, dtype, (rows, 2 * width), (rows, 2 * rank), (rows, width), (rows, rank), (rank, width)
    )
    blocks = _made(device, dtype, (width, rank), (width, rank))
    ups = torch.zeros(2 * width, 2 * rank, device=device, dtype=dtype)
    ups[:width, :rank], ups[width:, rank:] = blocks
    column_scales = torch.rand(2 * width, 1, generator=torch.Generator().manual_seed(5)).to(device) + 0.1
    joined = (wide.float() + narrow.float() @ ups.float().t()).requires_grad_()
    gate, up = joined.chunk(2, dim=-1)
    expected = F.silu(gate) * up
    (of_joined,) = torch.autograd.grad(expected, joined, of_wide.float() + of_narrow.float() @ downs.float())
    ones = torch.ones(1, width, device=device)
    back = gated_rounding.of_gated(of_wide, of_narrow, downs, wide, narrow, ups, column_scales)
    forward = gated_rounding.gated(wide, narrow, ups)
    return [
        Case(forward[0], expected.detach(), forward[1], forward[2], ones),
        Case(back[0], of_joined, back[1], back[2], column_scales.t()),
    ]


def _made(device: str, dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(8)
    return [torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes]
