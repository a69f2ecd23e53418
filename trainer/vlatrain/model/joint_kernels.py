"""Triton kernels of gradients of joint products: each input is read once, and all parts are written into one tensor."""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

NUMBERS = 1024
"""Of each input, what a program of 4 warps reads of turned heads: 16 bytes a thread."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows and columns of gate, and of up, that a program of so many warps works on."""

    rows: int
    columns: int
    warps: int


GATED = Tile(rows=1, columns=1024, warps=4)


def of_gated(both: Tensor, downs: Tensor, joined: Tensor, tile: Tile = GATED) -> Tensor:
    """See `joint_gradients`."""
    both, downs, joined = _in_rows(both), downs.contiguous(), joined.contiguous()
    width, rows = downs.shape[1], len(joined)
    out = torch.empty_like(joined)
    of_adapters = both[:, width:] @ downs  # multiplied within the kernel it took longer
    grid = (triton.cdiv(rows, tile.rows) * triton.cdiv(width, tile.columns),)
    _of_gated[grid](
        both, of_adapters, joined, out, both.stride(0), rows, width, tile.rows, tile.columns, num_warps=tile.warps
    )
    return out


def of_turned(query: Tensor, key: Tensor, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """See `joint_gradients`."""
    query, key, value, cos, sin = (_in_rows(one) for one in (query, key, value, cos, sin))
    batch, heads, places, size = query.shape
    cos, sin = (one.expand(batch, 1, places, size) for one in (cos, sin))
    out = query.new_empty(batch, places, 3 * heads * size)
    half = triton.next_power_of_2(size // 2)
    at_once = max(1, NUMBERS // half)
    _of_turned[(batch * places * triton.cdiv(heads, at_once),)](
        query, key, value, cos, sin, out,
        *query.stride()[:3], *key.stride()[:3], *value.stride()[:3],
        cos.stride(0), cos.stride(2), sin.stride(0), sin.stride(2),
        places, heads, size // 2, at_once, half,
    )  # fmt: skip
    return out


def _in_rows(one: Tensor) -> Tensor:
    """With the numbers of a row behind each other."""
    return one if one.stride(-1) == 1 else one.contiguous()


@triton.jit
def _of_gated(
    both, of_adapters, joined, out, both_row, rows, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    tiles = tl.cdiv(width, COLUMNS)
    row = ((tl.program_id(0) // tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    column = ((tl.program_id(0) % tiles) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    inside = (row < rows) & (column < width)
    gates = row * 2 * width + column
    gradient = tl.load(both + row * both_row + column, mask=inside, other=0.0).to(tl.float32)
    gate = tl.load(joined + gates, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(joined + gates + width, mask=inside, other=0.0).to(tl.float32)
    gradient += tl.load(of_adapters + row * width + column, mask=inside, other=0.0).to(tl.float32)
    share = 1.0 / (1.0 + tl.exp(-gate))
    of_gate = gradient * up * share * (1.0 + gate * (1.0 - share))
    tl.store(out + gates, of_gate.to(out.dtype.element_ty), mask=inside)
    tl.store(out + gates + width, (gradient * gate * share).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _of_turned(
    query, key, value, cos, sin, out,
    query_batch, query_head, query_place, key_batch, key_head, key_place, value_batch, value_head, value_place,
    cos_batch, cos_place, sin_batch, sin_place,
    places, heads, half, HEADS: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """A place, HEADS of its heads: first halves of a head's numbers, and second ones."""
    tiles = tl.cdiv(heads, HEADS)
    row = (tl.program_id(0) // tiles).to(tl.int64)
    batch, place = row // places, row % places
    of_head = ((tl.program_id(0) % tiles) * HEADS + tl.arange(0, HEADS))[:, None]
    lanes = tl.arange(0, HALF)[None, :]
    inside = (of_head < heads) & (lanes < half)
    cosines = cos + batch * cos_batch + place * cos_place + lanes
    sines = sin + batch * sin_batch + place * sin_place + lanes
    cos_1, cos_2 = _halves(cosines, half, lanes < half)
    sin_1, sin_2 = _halves(sines, half, lanes < half)
    width = 2 * half * heads
    to = out + row * 3 * width + of_head * 2 * half + lanes
    one, two = _halves(query + batch * query_batch + of_head * query_head + place * query_place + lanes, half, inside)
    _put(to, half, inside, one * cos_1 + two * sin_2, two * cos_2 - one * sin_1)
    one, two = _halves(key + batch * key_batch + of_head * key_head + place * key_place + lanes, half, inside)
    _put(to + width, half, inside, one * cos_1 + two * sin_2, two * cos_2 - one * sin_1)
    one, two = _halves(value + batch * value_batch + of_head * value_head + place * value_place + lanes, half, inside)
    _put(to + 2 * width, half, inside, one, two)


@triton.jit
def _halves(at, half, inside):
    one = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    two = tl.load(at + half, mask=inside, other=0.0).to(tl.float32)
    return one, two


@triton.jit
def _put(at, half, inside, one, two):
    tl.store(at, one.to(at.dtype.element_ty), mask=inside)
    tl.store(at + half, two.to(at.dtype.element_ty), mask=inside)
