"""How fast products of one token read their weights: searches tiles, in bf16 and over fp8 with adapters beside.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_answers.py [--out FILE]
    TRITON_INTERPRET=1 ... benchmarks/next_answers.py --check      # the kernel as Python against torch, without a GPU

Each shape of the decoder by each tile: rows and columns read at a time, warps, whether the next columns are on their
way already; then the best with long rows split over several programs, and begun before the kernel before has ended.
Then all products of a token, 32 layers with weights of their own, by the best tiles; those of bf16 are for `PRODUCTS`
in `fast/one_token_kernels.py`. What there is no time for within --seconds is left out. First of all `next_token.py`:
attention, and a whole token by the kernels as they are set.
"""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product as pairs
from pathlib import Path
from typing import Any

import next_token
import torch
import triton
import triton.language as tl
from graph_times import seconds_each
from speed_place import DEVICE, IS_TRIAL, release, wait
from torch import Tensor
from vlatrain.fast.early import let_next_begin, wait_for_last
from vlatrain.fast.one_token_kernels import PRODUCT, PRODUCTS, Tile, _weights, product
from vlatrain.model.fp8 import rounded

RANK = 32
SHAPES = {
    "queries, keys, values": (12288, 4096),
    "output": (4096, 4096),
    "gate, up": (22016, 4096),
    "down": (4096, 11008),
}
LAYERS = 32
WEIGHTS_GB, ROUNDS, THREADS = 0.2, 24, 8
BANDWIDTH = 4.3e12
ROWS_COLUMNS_WARPS = (
    *((4, 1024, 4), (8, 1024, 4), (2, 2048, 4), (4, 2048, 4), (1, 4096, 4), (2, 4096, 4), (2, 4096, 8), (4, 4096, 8)),
    *((2, 1024, 2), (4, 1024, 2), (8, 1024, 8), (4, 512, 2), (8, 512, 2), (8, 512, 4), (16, 512, 4), (1, 2048, 2)),
    *((4, 2048, 8), (8, 2048, 8), (2, 1024, 1), (4, 512, 1), (8, 256, 1), (8, 256, 2), (16, 256, 2), (16, 256, 4)),
    *((32, 256, 4), (32, 256, 8)),
)
NARROW = Tile(1, 4096, 4)


@dataclass(frozen=True, slots=True)
class Way:
    """A tile, over how many programs a row is split, and whether a kernel begins before the last one has ended."""

    tile: Tile
    splits: int = 1
    early: bool = False

    def __str__(self) -> str:
        one = self.tile
        more = f"{' ahead' * one.ahead}{f' {self.splits} splits' * (self.splits > 1)}{' early' * self.early}"
        return f"{one.rows} x {one.columns}, {one.warps} warps{more}"


@triton.jit
def _read(
    inputs, weight, scales, narrow, ups, out, n_in, n_out,
    RANKS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, AHEAD: tl.constexpr,
    SPLITS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """out = weight @ inputs; with RANKS scales * (weight @ inputs) + ups @ narrow, weight in fp8."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sums = tl.zeros([ROWS, COLUMNS], tl.float32)
    begin = tl.program_id(1) * COLUMNS
    if EARLY:
        let_next_begin()
    if AHEAD:
        w = _weights(weight, rows, begin, n_in, n_out, COLUMNS)
    if EARLY:
        wait_for_last()
    for first in range(begin, n_in, COLUMNS * SPLITS):
        if AHEAD:
            coming = _weights(weight, rows, first + COLUMNS * SPLITS, n_in, n_out, COLUMNS)
        else:
            w = _weights(weight, rows, first, n_in, n_out, COLUMNS)
        columns = first + tl.arange(0, COLUMNS)
        x = tl.load(inputs + columns, mask=columns < n_in, other=0.0).to(tl.float32)
        sums += w.to(tl.float32) * x[None, :]
        if AHEAD:
            w = coming
    found = tl.sum(sums, axis=1)
    if RANKS > 0:
        ranks = tl.arange(0, RANKS)
        place = rows[:, None] * RANKS + ranks[None, :]
        up = tl.load(ups + place, mask=(rows < n_out)[:, None], other=0.0).to(tl.float32)
        added = tl.sum(up * tl.load(narrow + ranks).to(tl.float32)[None, :], axis=1)
        found = found * tl.load(scales + rows, mask=rows < n_out, other=0.0)
        found += tl.where(tl.program_id(1) == 0, added, 0.0)
    if SPLITS > 1:
        tl.atomic_add(out + rows, found, mask=rows < n_out)
    else:
        tl.store(out + rows, found.to(out.dtype.element_ty), mask=rows < n_out)


@dataclass(frozen=True)
class Linear:
    """Weights of one shape: in bf16, or in fp8 with their scales and an adapter."""

    weight: Tensor
    scales: Tensor | None = None
    downs: Tensor | None = None
    ups: Tensor | None = None

    def read(self, inputs: Tensor, narrow: Tensor, way: Way) -> Tensor:
        """inputs [1, in] to [1, out]; split sums are added to zeros in fp32."""
        n_out, n_in = self.weight.shape
        out = torch.zeros(1, n_out, device=inputs.device) if way.splits > 1 else inputs.new_empty(1, n_out)
        _read[(triton.cdiv(n_out, way.tile.rows), way.splits)](
            inputs, self.weight, inputs if self.scales is None else self.scales, narrow,
            inputs if self.ups is None else self.ups, out, n_in, n_out,
            RANKS=0 if self.ups is None else RANK, SPLITS=way.splits, EARLY=way.early,
            **way.tile.words, **({"launch_pdl": True} if way.early else {}),
        )  # fmt: skip
        return out

    def whole(self, inputs: Tensor, way: Way) -> Tensor:
        """With what narrows, where there is an adapter."""
        narrow = inputs if self.downs is None else product(inputs, self.downs, tile=NARROW)
        return self.read(inputs, narrow, way)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with torch only")
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    check()
    if options.check:
        return
    if IS_TRIAL:
        parser.error("no CUDA device: --check, with TRITON_INTERPRET=1, tries the kernel")
    found = measured(time.monotonic() + options.seconds)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def check() -> None:
    """The kernel against torch, on odd sizes too."""
    dtype = torch.float32 if IS_TRIAL else torch.bfloat16
    tiles = (Tile(4, 64, 4), Tile(4, 32, 4, ahead=True))
    for (n_out, n_in), tile, splits in pairs(((64, 96), (50, 72)), tiles, (1, 2)):
        weight, scales = rounded(torch.randn(n_out, n_in, device=DEVICE))
        downs, ups = (torch.randn(size, device=DEVICE, dtype=dtype) for size in ((RANK, n_in), (n_out, RANK)))
        inputs = torch.randn(1, n_in, device=DEVICE, dtype=dtype)
        expected = inputs.float() @ (weight.float() * scales).t() + inputs.float() @ downs.float().t() @ ups.float().t()
        found = Linear(weight, scales, downs, ups).whole(inputs, Way(tile, splits))
        error = (found.float() - expected).norm() / expected.norm()
        print(f"{n_out} x {n_in}, {Way(tile, splits)}: off by {error:.2g}")
        assert error < (1e-5 if IS_TRIAL else 2e-2)


@torch.inference_mode()
def measured(until: float) -> dict[str, Any]:
    """The best ways of each shape, and milliseconds of all products of a token by them."""
    gc.freeze()  # captures collect garbage
    found: dict[str, Any] = {**next_token.told()}
    ways = [Way(Tile(*sizes, ahead=ahead)) for sizes in ROWS_COLUMNS_WARPS for ahead in (False, True)]
    compiled_aside(ways)
    best: dict[tuple[bool, str], Way] = {}
    for number, (is_rounded, (name, shape)) in enumerate(pairs((False, True), SHAPES.items())):
        share = (until - time.monotonic()) / (2 * len(SHAPES) - number)
        told = searched(shape, ways, time.monotonic() + share, is_rounded=is_rounded)
        best[is_rounded, name] = next(way for _, way in told if way.splits == 1 and not way.early)
        found[f"{name}, {'fp8' if is_rounded else 'bf16'}"] = {str(way): rate for rate, way in told}
        print(f"{name}, {'fp8' if is_rounded else 'bf16'}, GB/s:", flush=True)
        for rate, way in told[:5]:
            print(f"    {rate:6.0f} by {way}", flush=True)
    usual = {(False, name): Way(PRODUCTS.get(shape, PRODUCT)) for name, shape in SHAPES.items()}
    for who, ways_of in (("bf16, as now", usual), ("bf16", best), ("fp8 and adapters", best)):
        found[who] = token_ms(ways_of, is_rounded=who.startswith("fp8"))
        print(f"{who}: {found[who]:.3f} ms a token; floor {_floor(1 + who.startswith('bf16')):.3f}", flush=True)
    lines = [f"    {shape}: {best[False, name].tile}," for name, shape in SHAPES.items()]
    print("\n".join(["PRODUCTS = {", *lines, "}"]))
    return found


def compiled_aside(ways: list[Way]) -> None:
    """Compiles everything by several threads, so that measuring need not wait."""
    small = {is_rounded: linear((256, 256), is_rounded=is_rounded) for is_rounded in (False, True)}
    inputs = torch.randn(1, 256, device=DEVICE, dtype=torch.bfloat16)

    def tried(both: tuple[bool, Way]) -> None:
        with torch.inference_mode(), suppress(RuntimeError, triton.TritonError):  # told when it is measured
            small[both[0]].read(inputs, inputs, both[1])

    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(tried, pairs((False, True), ways)))
    wait()
    print(f"compiled {2 * len(ways)} kernels in {time.monotonic() - started:.1f} s", flush=True)


def searched(shape: tuple[int, int], ways: list[Way], until: float, *, is_rounded: bool) -> list[tuple[float, Way]]:
    """GB/s of each way, the best first: all tiles, then the best of them begun early, and split."""
    release()
    linears = [linear(shape, is_rounded=is_rounded)]
    linears += [linear(shape, is_rounded=is_rounded) for _ in range(int(WEIGHTS_GB * 1e9 / linears[0].weight.nbytes))]
    found = list(rates(linears, ways, until))
    best = max(found, key=lambda one: one[0])[1]
    more = [replace(best, splits=splits) for splits in (2, 4)] if shape[0] == 4096 else []
    found += rates(linears, [replace(best, early=True), *more], until)
    return sorted(found, key=lambda one: -one[0])


def rates(linears: list[Linear], ways: list[Way], until: float) -> Iterator[tuple[float, Way]]:
    inputs = torch.randn(1, linears[0].weight.shape[1], device=DEVICE, dtype=torch.bfloat16)
    for number, way in enumerate(ways):
        if time.monotonic() > until and number:
            return
        try:
            seconds = seconds_each([lambda one=one: one.read(inputs, inputs, way) for one in linears], ROUNDS)  # type: ignore[misc]  # noqa: B023  # done within the turn
        except (RuntimeError, triton.TritonError) as error:
            print(f"    {way} cannot: {str(error).splitlines()[0][:80]}", flush=True)
            continue
        yield linears[0].weight.nbytes / seconds / 1e9, way


def linear(shape: tuple[int, int], *, is_rounded: bool) -> Linear:
    if not is_rounded:
        return Linear(torch.randn(shape, device=DEVICE, dtype=torch.bfloat16))
    weight = torch.randint(0, 120, shape, device=DEVICE, dtype=torch.uint8).view(torch.float8_e4m3fn)
    downs, ups = (
        torch.randn(size, device=DEVICE, dtype=torch.bfloat16) for size in ((RANK, shape[1]), (shape[0], RANK))
    )
    return Linear(weight, torch.rand(shape[0], 1, device=DEVICE), downs, ups)


def token_ms(ways: dict[tuple[bool, str], Way], *, is_rounded: bool) -> float:
    """Milliseconds of all layers' products by the ways of each shape."""
    release()
    inputs = {n_in: torch.randn(1, n_in, device=DEVICE, dtype=torch.bfloat16) for _, n_in in SHAPES.values()}
    calls: list[Callable[[], Tensor]] = []
    for _ in range(LAYERS):
        for name, shape in SHAPES.items():
            one, way = linear(shape, is_rounded=is_rounded), ways[is_rounded, name]
            calls.append(lambda one=one, way=way, n_in=shape[1]: one.whole(inputs[n_in], way))  # type: ignore[misc]
    return 1000 * len(calls) * seconds_each(calls, len(calls))


def _floor(bytes_each: float) -> float:
    return 1000 * LAYERS * sum(n_out * n_in for n_out, n_in in SHAPES.values()) * bytes_each / BANDWIDTH


if __name__ == "__main__":
    main()
