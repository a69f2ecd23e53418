"""Triton kernels of one token's products. A product with one row is reading the weights: nothing else may take time."""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from vlatrain.fast.beside import Beside
from vlatrain.fast.early import EARLY, beginning, let_next_begin, wait_for_last
from vlatrain.model.llama import RmsNorm


@dataclass(frozen=True, slots=True)
class Tile:
    """What one program reads at a time: so many weights' rows and columns, by so many warps of 32 threads.

    A thread keeps a sum for every `fold` neighbouring columns, a power of two: 16 bytes' worth of them leave registers
    for more bytes on their way.
    """

    rows: int
    columns: int
    warps: int
    fold: int = 1

    @property
    def words(self) -> dict[str, Any]:
        """As a kernel is told."""
        return {"ROWS": self.rows, "COLUMNS": self.columns, "FOLD": self.fold, "num_warps": self.warps}


PRODUCT = Tile(rows=4, columns=1024, warps=4)
GATED = Tile(rows=2, columns=1024, warps=4)
NARROW = Tile(rows=1, columns=4096, warps=4)
PRODUCTS = {
    (12288, 4096): Tile(rows=8, columns=512, warps=4),
    (4096, 4096): Tile(rows=4, columns=1024, warps=2),
    (4096, 11008): Tile(rows=4, columns=1024, warps=2),
}
"""Tiles of single shapes [out, in] that `benchmarks/next_answers.py` found faster than PRODUCT, on an H200"""
FP8_PRODUCT = Tile(rows=4, columns=2048, warps=4, fold=16)
FP8_GATED = Tile(rows=4, columns=1024, warps=4, fold=16)
"""Over weights in fp8, chosen by registers for the H200: 48 to 80 a thread, 64 bytes on their way; without `fold` it is
80 for 32"""


@triton.jit
def _weights(weight, rows, first, n_in, n_out, COLUMNS: tl.constexpr):
    """COLUMNS numbers of each of `rows` from `first` on; zero outside."""
    columns = first + tl.arange(0, COLUMNS)
    inside = (rows < n_out)[:, None] & (columns < n_in)[None, :]
    return tl.load(weight + rows[:, None] * n_in + columns[None, :], mask=inside, other=0.0)


@triton.jit
def _folded(products, FOLD: tl.constexpr):
    """Sums of every FOLD neighbouring columns of [rows, columns]."""
    if FOLD > 1:
        products = tl.sum(tl.reshape(products, [products.shape[0], products.shape[1] // FOLD, FOLD]), axis=2)
    return products


@triton.jit
def _ups(ups, rows, n_out, n_each, RANK: tl.constexpr, RANKS: tl.constexpr, WIDTH: tl.constexpr):
    """Of U, which lies in blocks of n_each rows and RANK columns, each row's own numbers, and their columns."""
    at = tl.arange(0, WIDTH)
    columns = (rows // n_each * RANK)[:, None] + at[None, :]
    inside = (rows < n_out)[:, None] & (at < RANK)[None, :]
    return tl.load(ups + rows[:, None] * RANKS + columns, mask=inside, other=0.0), columns, inside


@triton.jit
def _product(
    inputs, gains, weight, scales, narrow, ups, onto, out, n_in, n_out, n_each, eps,
    HAS_NORM: tl.constexpr, HAS_ONTO: tl.constexpr,
    IS_FP8: tl.constexpr, RANK: tl.constexpr, RANKS: tl.constexpr, WIDTH: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, FOLD: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """out = weight @ norm(inputs) + onto, for ROWS rows of weight. The norm's factor is applied to the sums.

    IS_FP8: times scales. RANK: plus ups @ narrow, which the kernel before has made, by this function without RANK.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sums = tl.zeros([ROWS, COLUMNS // FOLD], tl.float32)
    squares = tl.zeros([COLUMNS], tl.float32)
    if EARLY:
        let_next_begin()
    if IS_FP8:
        factors = tl.load(scales + rows, mask=rows < n_out, other=0.0)
    if RANK > 0:
        up, which, is_own = _ups(ups, rows, n_out, n_each, RANK, RANKS, WIDTH)
    if EARLY:
        wait_for_last()
    if RANK > 0:
        inner = tl.load(narrow + which, mask=is_own, other=0.0)
    for first in range(0, n_in, COLUMNS):
        w = _weights(weight, rows, first, n_in, n_out, COLUMNS)
        columns = first + tl.arange(0, COLUMNS)
        inside = columns < n_in
        x = tl.load(inputs + columns, mask=inside, other=0.0).to(tl.float32)
        if HAS_NORM:
            squares += x * x
            x *= tl.load(gains + columns, mask=inside, other=0.0).to(tl.float32)
        sums += _folded(w.to(tl.float32) * x[None, :], FOLD)
    found = tl.sum(sums, axis=1)
    if HAS_NORM:
        found *= tl.rsqrt(tl.sum(squares, axis=0) / n_in + eps)
    if IS_FP8:
        found *= factors
    if RANK > 0:
        found += tl.sum(up.to(tl.float32) * inner, axis=1)
    if HAS_ONTO:
        found += tl.load(onto + rows, mask=rows < n_out, other=0.0).to(tl.float32)
    tl.store(out + rows, found.to(out.dtype.element_ty), mask=rows < n_out)


@triton.jit
def _gated(
    inputs, gains, weight, scales, narrow, ups, out, n_in, n_out, eps,
    IS_FP8: tl.constexpr, RANK: tl.constexpr, RANKS: tl.constexpr, WIDTH: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, FOLD: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """out = silu(gate) * up of norm(inputs); the rows of up lie n_out behind those of gate. See `_product`."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    gate_sums = tl.zeros([ROWS, COLUMNS // FOLD], tl.float32)
    up_sums = tl.zeros([ROWS, COLUMNS // FOLD], tl.float32)
    squares = tl.zeros([COLUMNS], tl.float32)
    others = weight + n_out * n_in
    if EARLY:
        let_next_begin()
    if IS_FP8:
        factors = tl.load(scales + rows, mask=rows < n_out, other=0.0)
        others_factors = tl.load(scales + n_out + rows, mask=rows < n_out, other=0.0)
    if RANK > 0:
        wide, which, is_own = _ups(ups, rows, n_out, n_out, RANK, RANKS, WIDTH)
        others_wide, others_which, is_others = _ups(ups, n_out + rows, 2 * n_out, n_out, RANK, RANKS, WIDTH)
    if EARLY:
        wait_for_last()
    if RANK > 0:
        inner = tl.load(narrow + which, mask=is_own, other=0.0)
        others_inner = tl.load(narrow + others_which, mask=is_others, other=0.0)
    for first in range(0, n_in, COLUMNS):
        g = _weights(weight, rows, first, n_in, n_out, COLUMNS)
        u = _weights(others, rows, first, n_in, n_out, COLUMNS)
        columns = first + tl.arange(0, COLUMNS)
        inside = columns < n_in
        x = tl.load(inputs + columns, mask=inside, other=0.0).to(tl.float32)
        squares += x * x
        x *= tl.load(gains + columns, mask=inside, other=0.0).to(tl.float32)
        gate_sums += _folded(g.to(tl.float32) * x[None, :], FOLD)
        up_sums += _folded(u.to(tl.float32) * x[None, :], FOLD)
    factor = tl.rsqrt(tl.sum(squares, axis=0) / n_in + eps)
    gate, up = tl.sum(gate_sums, axis=1) * factor, tl.sum(up_sums, axis=1) * factor
    if IS_FP8:
        gate, up = gate * factors, up * others_factors
    if RANK > 0:
        gate += tl.sum(wide.to(tl.float32) * inner, axis=1)
        up += tl.sum(others_wide.to(tl.float32) * others_inner, axis=1)
    found = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(out + rows, found.to(out.dtype.element_ty), mask=rows < n_out)


def product(
    inputs: Tensor,
    weight: Tensor | Beside,
    *,
    norm: RmsNorm | None = None,
    onto: Tensor | None = None,
    tile: Tile | None = None,
    early: bool = EARLY,
) -> Tensor:
    """inputs [1, in] and weight [out, in] to [1, out]: normed before, and added to `onto` [1, out], where given."""
    n_out, n_in = _wide(weight).shape
    out = inputs.new_empty(1, n_out)
    tile = tile or (FP8_PRODUCT if isinstance(weight, Beside) else PRODUCTS.get((n_out, n_in), PRODUCT))
    _multiplied(inputs, weight, out, norm, onto, tile, beginning(inputs, early))
    return out


def gated(
    inputs: Tensor,
    weight: Tensor | Beside,
    norm: RmsNorm,
    tile: Tile | None = None,
    *,
    early: bool = EARLY,
) -> Tensor:
    """inputs [1, in] and the weights of gate and up [2 out, in] to [1, out]."""
    wide = _wide(weight)
    n_out, n_in = len(wide) // 2, wide.shape[1]
    tile = tile or (FP8_GATED if isinstance(weight, Beside) else GATED)
    out = inputs.new_empty(1, n_out)
    begins = beginning(inputs, early)
    scales, narrow, ups, words = _added(inputs, weight, norm, begins)
    _gated[(triton.cdiv(n_out, tile.rows),)](
        inputs, norm.weight, wide, scales, narrow, ups, out, n_in, n_out, norm.eps, **words, **tile.words, **begins
    )
    return out


def narrowed(inputs: Tensor, downs: Tensor, norm: RmsNorm | None, tile: Tile, begins: dict[str, Any]) -> Tensor:
    """inputs [1, in] and all D of one input [ranks, in] to [1, ranks], in fp32: normed before, where given."""
    out = inputs.new_empty(1, len(downs), dtype=torch.float32)
    _multiplied(inputs, downs, out, norm, None, tile, begins)
    return out


def _multiplied(
    inputs: Tensor,
    weight: Tensor | Beside,
    out: Tensor,
    norm: RmsNorm | None,
    onto: Tensor | None,
    tile: Tile,
    begins: dict[str, Any],
) -> None:
    wide = _wide(weight)
    n_out, n_in = wide.shape
    gains, eps = (norm.weight, norm.eps) if norm is not None else (inputs, 0.0)
    scales, narrow, ups, words = _added(inputs, weight, norm, begins)
    n_each = max(n_out * words["RANK"] // max(words["RANKS"], 1), 1)
    _product[(triton.cdiv(n_out, tile.rows),)](
        inputs, gains, wide, scales, narrow, ups, out if onto is None else onto, out, n_in, n_out, n_each, eps,
        HAS_NORM=norm is not None, HAS_ONTO=onto is not None, **words, **tile.words, **begins,
    )  # fmt: skip


def _added(
    inputs: Tensor, weight: Tensor | Beside, norm: RmsNorm | None, begins: dict[str, Any]
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Scales, narrow product and ups for the kernels, and what they are told of them; `inputs` where there is none."""
    if not isinstance(weight, Beside):
        return inputs, inputs, inputs, {"IS_FP8": False, "RANK": 0, "RANKS": 0, "WIDTH": 1}
    adapters = weight.adapters
    if adapters is None:
        return weight.scales, inputs, inputs, {"IS_FP8": True, "RANK": 0, "RANKS": 0, "WIDTH": 1}
    rank, ranks = adapters.rank, len(adapters.downs)
    words = {"IS_FP8": True, "RANK": rank, "RANKS": ranks, "WIDTH": triton.next_power_of_2(rank)}
    return weight.scales, narrowed(inputs, adapters.downs, norm, NARROW, begins), adapters.ups, words


def _wide(weight: Tensor | Beside) -> Tensor:
    return weight.weight if isinstance(weight, Beside) else weight
