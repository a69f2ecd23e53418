"""Rotary position embedding of queries and keys: plain, and of a joint product whose gradient is written once."""

from typing import Any

import torch
from torch import Tensor

from vlatrain.model.joint_gradients import of_turned


def turn(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates queries or keys [B, H, S, n] by [1 or B, 1, S, n]; halves are paired as in the published weights."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin


def turned(joined: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries|keys|values [B, S, 3 H n] to each of them [B, H, S, n], queries and keys rotated."""
    query, key, value = _Turned.apply(joined, cos, sin)  # type: ignore[no-untyped-call]  # torch's gap
    return query, key, value


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, joined: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(cos, sin)
        parts = joined.view(*joined.shape[:2], 3, -1, cos.shape[-1]).permute(2, 0, 3, 1, 4)
        return turn(parts[0], cos, sin), turn(parts[1], cos, sin), parts[2]

    @staticmethod
    def backward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor | None, ...]:
        return of_turned(query, key, value, *ctx.saved_tensors), None, None
