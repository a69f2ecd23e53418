"""Triton kernels between the products of an MLP over weights in fp8: see `gated_rounding`."""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from vlatrain.model.fp8 import FP8, LARGEST
from vlatrain.model.joint_kernels import Tile

GATED = Tile(rows=64, columns=64, warps=4)
OF_GATED = Tile(rows=32, columns=128, warps=4)
ROUNDED = Tile(rows=1, columns=2048, warps=8)
"""A row a program, so many of its columns at a time"""
RANKS = 32
"""Of which a program takes so many at a time."""


def gated(wide: Tensor, narrow: Tensor, ups: Tensor, tile: Tile = GATED) -> tuple[Tensor, Tensor, Tensor]:
    """See `gated_rounding`."""
    wide, narrow, ups = wide.contiguous(), narrow.contiguous(), ups.contiguous()
    rows, width, rank = len(wide), wide.shape[1] // 2, narrow.shape[1] // 2
    out, tiles = wide.new_empty(rows, width), triton.cdiv(width, tile.columns)
    largest = wide.new_empty(rows, tiles, dtype=torch.float32)
    _gated[(triton.cdiv(rows, tile.rows) * tiles,)](
        wide, narrow, ups, out, largest, rows, width, rank, tile.rows, tile.columns, RANKS, num_warps=tile.warps
    )
    return out, *rounded(out, largest)


def of_gated(
    of_wide: Tensor, of_narrow: Tensor, downs: Tensor, wide: Tensor, narrow: Tensor, ups: Tensor, column_scales: Tensor,
    tile: Tile = OF_GATED,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """See `gated_rounding`."""
    of_wide, of_narrow, downs = of_wide.contiguous(), of_narrow.contiguous(), downs.contiguous()
    wide, narrow, ups, column_scales = (one.contiguous() for one in (wide, narrow, ups, column_scales))
    rows, width, rank = len(wide), wide.shape[1] // 2, narrow.shape[1] // 2
    out, tiles = torch.empty_like(wide), triton.cdiv(width, tile.columns)
    largest = wide.new_empty(rows, tiles, dtype=torch.float32)
    _of_gated[(triton.cdiv(rows, tile.rows) * tiles,)](
        of_wide, of_narrow, downs, wide, narrow, ups, column_scales, out, largest,
        rows, width, rank, len(downs), tile.rows, tile.columns, RANKS, num_warps=tile.warps,
    )  # fmt: skip
    return out, *rounded(out, largest, column_scales)


def rounded(
    values: Tensor, largest: Tensor, column_scales: Tensor | None = None, tile: Tile = ROUNDED
) -> tuple[Tensor, Tensor]:
    """As `fp8.rounded`, of `values` [M, N] with columns times `column_scales` [N, 1].

    `largest` [M, tiles] are the largest numbers of parts of each row, so multiplied.
    """
    rows, width = values.shape
    out, scales = torch.empty_like(values, dtype=FP8), values.new_empty(rows, 1, dtype=torch.float32)
    tiles = largest.shape[1]
    _rounded[(rows,)](
        values, largest, values if column_scales is None else column_scales, out, scales, width, tiles, LARGEST,
        column_scales is not None, tile.columns, triton.next_power_of_2(tiles), num_warps=tile.warps,
    )  # fmt: skip
    return out, scales


@triton.jit
def _gated(
    wide, narrow, ups, out, largest, rows, width, rank,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    row, column, tile, tiles = _place(width, ROWS, COLUMNS)
    gate, up = _gate_and_up(wide, narrow, ups, row, column, rows, width, rank, RANKS)
    found = (gate * up / (1.0 + tl.exp(-gate))).to(out.dtype.element_ty)
    tl.store(out + row * width + column, found, mask=(row < rows) & (column < width))
    most = tl.max(tl.abs(found.to(tl.float32)), axis=1, keep_dims=True)
    tl.store(largest + row * tiles + tile, most, mask=row < rows)


@triton.jit
def _of_gated(
    of_wide, of_narrow, downs, wide, narrow, ups, column_scales, out, largest, rows, width, rank, ranks,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    """`rank` is that of gate, and of up; `ranks` those of D."""
    row, column, tile, tiles = _place(width, ROWS, COLUMNS)
    inside = (row < rows) & (column < width)
    gate, up = _gate_and_up(wide, narrow, ups, row, column, rows, width, rank, RANKS)
    gradient = tl.load(of_wide + row * width + column, mask=inside, other=0.0).to(tl.float32)
    gradient = _with_narrow(gradient, of_narrow, ranks, downs, 1, width, row, column, rows, width, ranks, RANKS)
    share = 1.0 / (1.0 + tl.exp(-gate))
    of_gate = (gradient * up * share * (1.0 + gate * (1.0 - share))).to(out.dtype.element_ty)
    of_up = (gradient * gate * share).to(out.dtype.element_ty)
    to = row * 2 * width + column
    tl.store(out + to, of_gate, mask=inside)
    tl.store(out + to + width, of_up, mask=inside)
    of_gates = tl.load(column_scales + column, mask=column < width, other=0.0)
    of_ups = tl.load(column_scales + width + column, mask=column < width, other=0.0)
    both = tl.maximum(tl.abs(of_gate.to(tl.float32) * of_gates), tl.abs(of_up.to(tl.float32) * of_ups))
    tl.store(largest + row * tiles + tile, tl.max(both, axis=1, keep_dims=True), mask=row < rows)


@triton.jit
def _rounded(
    values, largest, column_scales, out, scales, width, tiles, LARGEST: tl.constexpr,
    HAS_SCALES: tl.constexpr, COLUMNS: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """A row: `largest` of it in parts. The last rows come first: they were written last, and lie in the cache."""
    row, tile = (tl.num_programs(0) - 1 - tl.program_id(0)).to(tl.int64), tl.arange(0, TILES)
    most = tl.max(tl.load(largest + row * tiles + tile, mask=tile < tiles, other=0.0), axis=0)
    most = tl.maximum(most, 1e-12)
    tl.store(scales + row, tl.div_rn(most, LARGEST))
    for first in range(0, width, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        value = tl.load(values + row * width + column, mask=column < width, other=0.0).to(tl.float32)
        if HAS_SCALES:
            value *= tl.load(column_scales + column, mask=column < width, other=0.0)
        tl.store(out + row * width + column, (value * (LARGEST / most)).to(out.dtype.element_ty), mask=column < width)


@triton.jit
def _place(width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Rows [ROWS, 1] and columns [1, COLUMNS] of this program, the number of its tile, and how many a row has."""
    tiles = tl.cdiv(width, COLUMNS)
    tile = tl.program_id(0) % tiles
    row = ((tl.program_id(0) // tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    return row, (tile * COLUMNS + tl.arange(0, COLUMNS))[None, :], tile, tiles


@triton.jit
def _gate_and_up(wide, narrow, ups, row, column, rows, width, rank, RANKS: tl.constexpr):
    """With what adapters add to them."""
    inside = (row < rows) & (column < width)
    gate = tl.load(wide + row * 2 * width + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(wide + row * 2 * width + width + column, mask=inside, other=0.0).to(tl.float32)
    of_up = ups + width * 2 * rank + rank
    gate = _with_narrow(gate, narrow, 2 * rank, ups, 2 * rank, 1, row, column, rows, width, rank, RANKS)
    up = _with_narrow(up, narrow + rank, 2 * rank, of_up, 2 * rank, 1, row, column, rows, width, rank, RANKS)
    return gate, up


@triton.jit
def _with_narrow(
    sums, narrow, narrow_row, onto, onto_column, onto_rank, row, column, rows, width, ranks, RANKS: tl.constexpr
):
    """sums + narrow [rows, ranks] times `onto`, whose columns and ranks are so far apart."""
    for first in range(0, ranks, RANKS):
        rank = first + tl.arange(0, RANKS)
        across, along = rank[None, :], rank[:, None]
        one = tl.load(narrow + row * narrow_row + across, mask=(row < rows) & (across < ranks), other=0.0)
        other = onto + column * onto_column + along * onto_rank
        other = tl.load(other, mask=(along < ranks) & (column < width), other=0.0)
        sums += tl.dot(one, other, input_precision="ieee")
    return sums
