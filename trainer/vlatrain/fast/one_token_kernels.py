"""Triton kernels of one token's products. A product with one row is reading the weights: nothing else may take time."""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from dataclasses import dataclass
from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from vlatrain.fast.early import EARLY, beginning, let_next_begin, wait_for_last
from vlatrain.model.llama import RmsNorm


@dataclass(frozen=True, slots=True)
class Tile:
    """What one program reads at a time: so many weights' rows and columns, by so many warps of 32 threads.

    With `ahead` the next columns are on their way while these are worked on.
    """

    rows: int
    columns: int
    warps: int
    ahead: bool = False

    @property
    def words(self) -> dict[str, Any]:
        """As a kernel is told."""
        return {"ROWS": self.rows, "COLUMNS": self.columns, "AHEAD": self.ahead, "num_warps": self.warps}


PRODUCT = Tile(rows=4, columns=1024, warps=4)
GATED = Tile(rows=2, columns=1024, warps=4)
PRODUCTS = {
    (12288, 4096): Tile(rows=8, columns=512, warps=4),
    (4096, 4096): Tile(rows=4, columns=1024, warps=2),
    (4096, 11008): Tile(rows=4, columns=1024, warps=2),
}
"""Tiles of single shapes [out, in] that `benchmarks/next_answers.py` found faster than PRODUCT, on an H200"""


@triton.jit
def _weights(weight, rows, first, n_in, n_out, COLUMNS: tl.constexpr):
    """COLUMNS numbers of each of `rows` from `first` on; zero outside."""
    columns = first + tl.arange(0, COLUMNS)
    inside = (rows < n_out)[:, None] & (columns < n_in)[None, :]
    return tl.load(weight + rows[:, None] * n_in + columns[None, :], mask=inside, other=0.0)


@triton.jit
def _product(
    inputs, gains, weight, onto, out, n_in, n_out, eps,
    HAS_NORM: tl.constexpr, HAS_ONTO: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, AHEAD: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """out = weight @ norm(inputs) + onto, for ROWS rows of weight. The norm's factor is applied to the sums."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sums = tl.zeros([ROWS, COLUMNS], tl.float32)
    squares = tl.zeros([COLUMNS], tl.float32)
    if EARLY:
        let_next_begin()
    if AHEAD:
        w = _weights(weight, rows, 0, n_in, n_out, COLUMNS)
    if EARLY:
        wait_for_last()
    for first in range(0, n_in, COLUMNS):
        if AHEAD:
            coming = _weights(weight, rows, first + COLUMNS, n_in, n_out, COLUMNS)
        else:
            w = _weights(weight, rows, first, n_in, n_out, COLUMNS)
        columns = first + tl.arange(0, COLUMNS)
        inside = columns < n_in
        x = tl.load(inputs + columns, mask=inside, other=0.0).to(tl.float32)
        if HAS_NORM:
            squares += x * x
            x *= tl.load(gains + columns, mask=inside, other=0.0).to(tl.float32)
        sums += w.to(tl.float32) * x[None, :]
        if AHEAD:
            w = coming
    found = tl.sum(sums, axis=1)
    if HAS_NORM:
        found *= tl.rsqrt(tl.sum(squares, axis=0) / n_in + eps)
    if HAS_ONTO:
        found += tl.load(onto + rows, mask=rows < n_out, other=0.0).to(tl.float32)
    tl.store(out + rows, found.to(out.dtype.element_ty), mask=rows < n_out)


@triton.jit
def _gated(
    inputs, gains, weight, out, n_in, n_out, eps,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, AHEAD: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """out = silu(gate) * up of norm(inputs); the rows of up lie n_out behind those of gate."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    gates = tl.zeros([ROWS, COLUMNS], tl.float32)
    ups = tl.zeros([ROWS, COLUMNS], tl.float32)
    squares = tl.zeros([COLUMNS], tl.float32)
    others = weight + n_out * n_in
    if EARLY:
        let_next_begin()
    if AHEAD:
        g, u = _weights(weight, rows, 0, n_in, n_out, COLUMNS), _weights(others, rows, 0, n_in, n_out, COLUMNS)
    if EARLY:
        wait_for_last()
    for first in range(0, n_in, COLUMNS):
        if AHEAD:
            coming = _weights(weight, rows, first + COLUMNS, n_in, n_out, COLUMNS)
            others_coming = _weights(others, rows, first + COLUMNS, n_in, n_out, COLUMNS)
        else:
            g = _weights(weight, rows, first, n_in, n_out, COLUMNS)
            u = _weights(others, rows, first, n_in, n_out, COLUMNS)
        columns = first + tl.arange(0, COLUMNS)
        inside = columns < n_in
        x = tl.load(inputs + columns, mask=inside, other=0.0).to(tl.float32)
        squares += x * x
        x *= tl.load(gains + columns, mask=inside, other=0.0).to(tl.float32)
        gates += g.to(tl.float32) * x[None, :]
        ups += u.to(tl.float32) * x[None, :]
        if AHEAD:
            g, u = coming, others_coming
    factor = tl.rsqrt(tl.sum(squares, axis=0) / n_in + eps)
    gate, up = tl.sum(gates, axis=1) * factor, tl.sum(ups, axis=1) * factor
    found = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(out + rows, found.to(out.dtype.element_ty), mask=rows < n_out)


def product(
    inputs: Tensor,
    weight: Tensor,
    *,
    norm: RmsNorm | None = None,
    onto: Tensor | None = None,
    tile: Tile | None = None,
    early: bool = EARLY,
) -> Tensor:
    """inputs [1, in] and weight [out, in] to [1, out]: normed before, and added to `onto` [1, out], where given."""
    n_out, n_in = weight.shape
    tile = tile or PRODUCTS.get((n_out, n_in), PRODUCT)
    out = inputs.new_empty(1, n_out)
    gains, eps = (norm.weight, norm.eps) if norm is not None else (inputs, 0.0)
    _product[(triton.cdiv(n_out, tile.rows),)](
        inputs, gains, weight, out if onto is None else onto, out, n_in, n_out, eps,
        HAS_NORM=norm is not None, HAS_ONTO=onto is not None, **tile.words, **beginning(inputs, early),
    )  # fmt: skip
    return out


def gated(inputs: Tensor, weight: Tensor, norm: RmsNorm, tile: Tile = GATED, *, early: bool = EARLY) -> Tensor:
    """inputs [1, in] and the weights of gate and up [2 out, in] to [1, out]."""
    n_out, n_in = len(weight) // 2, weight.shape[1]
    out = inputs.new_empty(1, n_out)
    _gated[(triton.cdiv(n_out, tile.rows),)](
        inputs, norm.weight, weight, out, n_in, n_out, norm.eps, **tile.words, **beginning(inputs, early)
    )
    return out
