"""Gradients of joint products as our operators and kernels give them, beside what autograd gives for the pieces."""

import torch
from torch import Tensor
from torch.nn import functional as F
from vlatrain.model import joint_gradients
from vlatrain.model.turned import turn

Pairs = list[tuple[Tensor, Tensor]]
"""Found, and expected"""


def gated_case(device: str, dtype: torch.dtype, rows: int = 6, width: int = 40, rank: int = 8) -> Pairs:
    both, downs, joined = _made(device, dtype, (rows, width + rank), (rank, width), (rows, 2 * width))
    gate, up = joined.float().clone().requires_grad_().chunk(2, dim=-1)
    gradient = both[:, :width].float() + both[:, width:].float() @ downs.float()
    expected = torch.autograd.grad(F.silu(gate) * up, (gate, up), gradient)
    return [(joint_gradients.of_gated(both, downs, joined), torch.cat(expected, dim=-1))]


def turned_case(
    device: str, dtype: torch.dtype, batch: int = 2, places: int = 5, heads: int = 3, size: int = 8
) -> Pairs:
    """Gradients in three layouts: by place, by head, and with the numbers of a head not behind each other."""
    by_place, by_head, by_number, cos, sin = _made(
        device, dtype,
        (batch, places, heads, size), (batch, heads, places, size), (batch, heads, size, places),
        (1, 1, places, size), (1, 1, places, size),
    )  # fmt: skip
    gradients = (by_place.transpose(1, 2), by_head, by_number.transpose(2, 3))
    found = joint_gradients.of_turned(*gradients, cos, sin)
    query, key = (torch.randn(by_head.shape, device=device, requires_grad=True) for _ in range(2))
    wholes = [turn(one, cos.float(), sin.float()) for one in (query, key)]
    expected = torch.autograd.grad(wholes, (query, key), [one.float() for one in gradients[:2]])
    joint = [one.transpose(1, 2).flatten(2) for one in (*expected, gradients[2].float())]
    return [(found, torch.cat(joint, dim=-1))]


def narrow_case(device: str, dtype: torch.dtype, rows: int = 6, width: int = 40, rank: int = 8) -> Pairs:
    beside, downs = _made(device, dtype, (rows, width + rank), (rank, width))
    before = beside.clone()
    joint_gradients.narrow_beside(beside, downs)
    narrow = before[:, :width].float() @ downs.float().t()
    return [(beside[:, :width], before[:, :width]), (beside[:, width:], narrow)]


def _made(device: str, dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(8)
    return [torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes]
