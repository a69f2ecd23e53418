"""The Triton kernel of one token's attention a row, over keys and values that are kept; places may be shared out."""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from dataclasses import dataclass
from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from vlatrain.fast.early import EARLY, beginning, let_next_begin, wait_for_last


@dataclass(frozen=True, slots=True)
class Share:
    """Of a head's places one program reads so many at a time, by so many warps.

    With `splits`, a power of two, as many programs have a part of the places each.
    """

    places: int
    warps: int
    splits: int = 1


ATTENDED = Share(places=64, warps=4, splits=8)
"""As `benchmarks/next_token.py` found it for one row on an H200: 8.2 us a layer, 18.9 by one program a head"""


@triton.jit
def _attended(
    asked, cos, sin, keys, values, places, out, mixes, mosts, totals, ended, n_places, scale,
    HEADS: tl.constexpr, SIZE: tl.constexpr, PLACES: tl.constexpr, SPLITS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """One head of one row: turns query and key, keeps key and value, attends to all places up to its own.

    With SPLITS each program attends to its share of the places, and the last one of a head to end joins them.
    """
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    if EARLY:
        let_next_begin()
        wait_for_last()
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
    if SPLITS == 1:
        begin, end = 0, place
        tl.store(keys + kept + place * SIZE + at, key)
        tl.store(values + kept + place * SIZE + at, value)
    else:
        begin, end = place * split // SPLITS, place * (split + 1) // SPLITS
        is_first = split == 0  # its own place is in the first share
        if is_first:
            tl.store(keys + kept + place * SIZE + at, key)
            tl.store(values + kept + place * SIZE + at, value)
    most = tl.sum(query * key.to(tl.float32), axis=0) * scale  # of its own place; then of those before it, in parts
    total = most * 0.0 + 1.0
    mixed = value.to(tl.float32)
    if SPLITS > 1:
        total = tl.where(is_first, total, 0.0)
        mixed = tl.where(is_first, mixed, 0.0)
    most, total, mixed = _attending(
        query, keys + kept, values + kept, begin, end, most, total, mixed, scale, SIZE, PLACES
    )
    number = row * HEADS + head
    if SPLITS == 1:
        tl.store(out + number * SIZE + at, (mixed / total).to(out.dtype.element_ty))
    else:
        part = number * SPLITS + split
        tl.store(mixes + part * SIZE + at, mixed)
        tl.store(mosts + part, most)
        tl.store(totals + part, total)
        tl.debug_barrier()  # all threads have stored before one of them tells so
        if tl.atomic_add(ended + number, 1, sem="acq_rel", scope="gpu") == SPLITS - 1:
            tl.debug_barrier()
            found = _joined(mixes, mosts, totals, number, SIZE, SPLITS)
            tl.store(out + number * SIZE + at, found.to(out.dtype.element_ty))
            tl.store(ended + number, 0)  # for the next call


@triton.jit
def _attending(query, keys, values, begin, end, most, total, mixed, scale, SIZE: tl.constexpr, PLACES: tl.constexpr):
    """Maximum, normaliser and sum of what was attended to, with the places from `begin` to before `end` added."""
    at = tl.arange(0, SIZE)
    for first in range(begin, end, PLACES):
        which = first + tl.arange(0, PLACES)
        is_before = which < end
        where = which[:, None] * SIZE + at[None, :]
        k = tl.load(keys + where, mask=is_before[:, None], other=0.0).to(tl.float32)
        v = tl.load(values + where, mask=is_before[:, None], other=0.0).to(tl.float32)
        scores = tl.where(is_before, tl.sum(query[None, :] * k, axis=1) * scale, float("-inf"))
        now = tl.maximum(most, tl.max(scores, axis=0))
        weights = tl.exp(scores - now)
        shrunk = tl.exp(most - now)
        total = total * shrunk + tl.sum(weights, axis=0)
        mixed = mixed * shrunk + tl.sum(weights[:, None] * v, axis=0)
        most = now
    return most, total, mixed


@triton.jit
def _joined(mixes, mosts, totals, number, SIZE: tl.constexpr, SPLITS: tl.constexpr):
    """What a head attends to, by the sums of its shares: in their order, whichever ended last."""
    parts = number * SPLITS + tl.arange(0, SPLITS)
    at = tl.arange(0, SIZE)
    most = tl.load(mosts + parts, cache_modifier=".cg")  # others wrote it: not from this multiprocessor's own cache
    weights = tl.exp(most - tl.max(most, axis=0))
    total = tl.sum(weights * tl.load(totals + parts, cache_modifier=".cg"), axis=0)
    mixed = tl.load(mixes + parts[:, None] * SIZE + at[None, :], cache_modifier=".cg")
    return tl.sum(weights[:, None] * mixed, axis=0) / total


def attended(
    asked: Tensor,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor,
    places: Tensor,
    *,
    share: Share = ATTENDED,
    early: bool = EARLY,
) -> Tensor:
    """As `one_token.attended`; cos and sin [B, 1, 1, size], keys and values [B, H, places, size].

    Split shares are counted in memory that all calls of as many rows and heads have in common: one at a time.
    """
    rows, heads, n_places, size = keys.shape
    out = torch.empty(rows, heads * size, dtype=asked.dtype, device=asked.device)
    mixes = mosts = totals = ended = out  # one share needs none of them
    if share.splits > 1:
        parts = rows * heads * share.splits
        mixes, mosts, totals = (
            torch.empty(parts * each, dtype=torch.float32, device=asked.device) for each in (size, 1, 1)
        )
        ended = _ended(asked.device, rows * heads)
    _attended[(rows, heads, share.splits)](
        asked, cos, sin, keys, values, places, out, mixes, mosts, totals, ended, n_places, size**-0.5,
        HEADS=heads, SIZE=size, PLACES=share.places, SPLITS=share.splits, num_warps=share.warps,
        **beginning(asked, early),
    )  # fmt: skip
    return out


@cache
def _ended(device: torch.device, heads: int) -> Tensor:
    """How many programs of each head have ended, between calls none; graphs that use it may outlive their maker."""
    assert device.type == "cpu" or not torch.cuda.is_current_stream_capturing(), "warm up first: a graph sets no zeros"
    return torch.zeros(heads, dtype=torch.int32, device=device)
