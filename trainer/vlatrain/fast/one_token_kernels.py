"""Triton kernels for one token a row. A product with one row is reading the weights: nothing else may take time."""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

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
PLACES, PLACES_WARPS = 128, 8
"""Keys and values that a program of attention reads at a time, and its warps; found there, too."""


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
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """out = weight @ norm(inputs) + onto, for ROWS rows of weight. The norm's factor is applied to the sums."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sums = tl.zeros([ROWS, COLUMNS], tl.float32)
    squares = tl.zeros([COLUMNS], tl.float32)
    if AHEAD:
        w = _weights(weight, rows, 0, n_in, n_out, COLUMNS)
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
    inputs, gains, weight, out, n_in, n_out, eps, ROWS: tl.constexpr, COLUMNS: tl.constexpr, AHEAD: tl.constexpr
):  # fmt: skip
    """out = silu(gate) * up of norm(inputs); the rows of up lie n_out behind those of gate."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    gates = tl.zeros([ROWS, COLUMNS], tl.float32)
    ups = tl.zeros([ROWS, COLUMNS], tl.float32)
    squares = tl.zeros([COLUMNS], tl.float32)
    others = weight + n_out * n_in
    if AHEAD:
        g, u = _weights(weight, rows, 0, n_in, n_out, COLUMNS), _weights(others, rows, 0, n_in, n_out, COLUMNS)
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


@triton.jit
def _attended(
    asked, cos, sin, keys, values, places, out, n_places, scale,
    HEADS: tl.constexpr, SIZE: tl.constexpr, PLACES: tl.constexpr,
):  # fmt: skip
    """One head of one row: turns query and key, keeps key and value, attends to all places up to its own."""
    row, head = tl.program_id(0), tl.program_id(1)
    place = tl.load(places + row)
    at = tl.arange(0, SIZE)
    other = (at + SIZE // 2) % SIZE  # rotation pairs the halves of a head
    sign = tl.where(at < SIZE // 2, -1.0, 1.0)
    c = tl.load(cos + row * SIZE + at).to(tl.float32)
    s = sign * tl.load(sin + row * SIZE + at).to(tl.float32)
    mine = asked + row * 3 * HEADS * SIZE + head * SIZE
    query = tl.load(mine + at).to(tl.float32) * c + tl.load(mine + other).to(tl.float32) * s
    mine += HEADS * SIZE
    key = (tl.load(mine + at).to(tl.float32) * c + tl.load(mine + other).to(tl.float32) * s).to(keys.dtype.element_ty)
    value = tl.load(mine + HEADS * SIZE + at)
    kept = (row * HEADS + head) * n_places * SIZE
    tl.store(keys + kept + place * SIZE + at, key)
    tl.store(values + kept + place * SIZE + at, value)
    most = tl.sum(query * key.to(tl.float32), axis=0) * scale  # of its own place; then of those before it, in parts
    total = most * 0.0 + 1.0
    mixed = value.to(tl.float32)
    for first in range(0, place, PLACES):
        which = first + tl.arange(0, PLACES)
        is_before = which < place
        where = kept + which[:, None] * SIZE + at[None, :]
        k = tl.load(keys + where, mask=is_before[:, None], other=0.0).to(tl.float32)
        v = tl.load(values + where, mask=is_before[:, None], other=0.0).to(tl.float32)
        scores = tl.where(is_before, tl.sum(query[None, :] * k, axis=1) * scale, float("-inf"))
        now = tl.maximum(most, tl.max(scores, axis=0))
        weights = tl.exp(scores - now)
        shrunk = tl.exp(most - now)
        total = total * shrunk + tl.sum(weights, axis=0)
        mixed = mixed * shrunk + tl.sum(weights[:, None] * v, axis=0)
        most = now
    tl.store(out + (row * HEADS + head) * SIZE + at, (mixed / total).to(out.dtype.element_ty))


def product(
    inputs: Tensor, weight: Tensor, *, norm: RmsNorm | None = None, onto: Tensor | None = None, tile: Tile | None = None
) -> Tensor:
    """inputs [1, in] and weight [out, in] to [1, out]: normed before, and added to `onto` [1, out], where given."""
    n_out, n_in = weight.shape
    tile = tile or PRODUCTS.get((n_out, n_in), PRODUCT)
    out = inputs.new_empty(1, n_out)
    gains, eps = (norm.weight, norm.eps) if norm is not None else (inputs, 0.0)
    _product[(triton.cdiv(n_out, tile.rows),)](
        inputs, gains, weight, out if onto is None else onto, out, n_in, n_out, eps,
        HAS_NORM=norm is not None, HAS_ONTO=onto is not None, **tile.words,
    )  # fmt: skip
    return out


def gated(inputs: Tensor, weight: Tensor, norm: RmsNorm, tile: Tile = GATED) -> Tensor:
    """inputs [1, in] and the weights of gate and up [2 out, in] to [1, out]."""
    n_out, n_in = len(weight) // 2, weight.shape[1]
    out = inputs.new_empty(1, n_out)
    _gated[(triton.cdiv(n_out, tile.rows),)](inputs, norm.weight, weight, out, n_in, n_out, norm.eps, **tile.words)
    return out


def attended(
    asked: Tensor,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor,
    places: Tensor,
    *,
    at_once: int = PLACES,
    warps: int = PLACES_WARPS,
) -> Tensor:
    """As `one_token.attended`; cos and sin [B, 1, 1, size], keys and values [B, H, places, size]."""
    rows, heads, n_places, size = keys.shape
    out = torch.empty(rows, heads * size, dtype=asked.dtype, device=asked.device)
    _attended[(rows, heads)](
        asked, cos, sin, keys, values, places, out, n_places, size**-0.5,
        HEADS=heads, SIZE=size, PLACES=at_once, num_warps=warps,
    )  # fmt: skip
    return out
