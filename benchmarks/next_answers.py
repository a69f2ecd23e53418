"""One token's products over weights kept in fp8 with their adapters beside them, against merged weights in bf16.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_answers.py [--out FILE]
    TRITON_INTERPRET=1 ... benchmarks/next_answers.py --check      # the kernel as Python against torch, without a GPU

A quarter of a minute on an H200. A run with a base in fp8 answers over copies of its weights in bf16 now, and one row
reads them all for each token: half of the bytes would do, and nothing would be rounded that was not rounded already.
Each token goes through the four products of all 32 layers, each layer with weights of its own, as one graph.
"""
# Triton's language has types of its own
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import triton
import triton.language as tl
from next_shapes import replayed
from speed_place import DEVICE, IS_TRIAL
from torch import Tensor
from vlatrain.fast.one_token_kernels import Tile, product
from vlatrain.model.fp8 import rounded

RANK = 32
SHAPES = {
    "queries, keys, values": (12288, 4096),
    "output": (4096, 4096),
    "gate, up": (22016, 4096),
    "down": (4096, 11008),
}
LAYERS = 32
TILES = (Tile(4, 1024, 4), Tile(8, 1024, 4), Tile(4, 2048, 4), Tile(8, 2048, 8))


@triton.jit
def _rounded_product(
    inputs, weight, scales, narrow, ups, out, n_in, n_out,
    RANKS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """out = scales * (weight @ inputs) + ups @ narrow, for ROWS rows of weight, which are fp8."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sums = tl.zeros([ROWS, COLUMNS], tl.float32)
    for first in range(0, n_in, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        inside = columns < n_in
        x = tl.load(inputs + columns, mask=inside, other=0.0).to(tl.float32)
        here = (rows < n_out)[:, None] & inside[None, :]
        w = tl.load(weight + rows[:, None] * n_in + columns[None, :], mask=here, other=0.0).to(tl.float32)
        sums += w * x[None, :]
    ranks = tl.arange(0, RANKS)
    up = tl.load(ups + rows[:, None] * RANKS + ranks[None, :], mask=(rows < n_out)[:, None], other=0.0).to(tl.float32)
    added = tl.sum(up * tl.load(narrow + ranks).to(tl.float32)[None, :], axis=1)
    found = tl.sum(sums, axis=1) * tl.load(scales + rows, mask=rows < n_out, other=0.0) + added
    tl.store(out + rows, found.to(out.dtype.element_ty), mask=rows < n_out)


def rounded_product(
    inputs: Tensor, weight: Tensor, scales: Tensor, downs: Tensor, ups: Tensor, tile: Tile = TILES[0]
) -> Tensor:
    """inputs [1, in] through fp8 weight [out, in] with scales [out, 1], and downs [rank, in], ups [out, rank]."""
    narrow = product(inputs, downs)
    out = inputs.new_empty(1, len(weight))
    _rounded_product[(triton.cdiv(len(weight), tile.rows),)](
        inputs, weight, scales, narrow, ups, out, inputs.shape[1], len(weight),
        RANKS=ups.shape[1], ROWS=tile.rows, COLUMNS=tile.columns, num_warps=tile.warps,
    )  # fmt: skip
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with torch only")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    check()
    if options.check:
        return
    if IS_TRIAL:
        parser.error("no CUDA device: --check, with TRITON_INTERPRET=1, tries the kernel")
    found = measured()
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def check() -> None:
    """The kernel against torch, on odd sizes too."""
    dtype = torch.float32 if IS_TRIAL else torch.bfloat16
    for n_out, n_in in ((64, 96), (50, 72)):
        weight, scales = rounded(torch.randn(n_out, n_in, device=DEVICE))
        downs, ups = (torch.randn(size, device=DEVICE, dtype=dtype) for size in ((RANK, n_in), (n_out, RANK)))
        inputs = torch.randn(1, n_in, device=DEVICE, dtype=dtype)
        expected = inputs.float() @ (weight.float() * scales).t() + inputs.float() @ downs.float().t() @ ups.float().t()
        error = (rounded_product(inputs, weight, scales, downs, ups).float() - expected).norm() / expected.norm()
        print(f"{n_out} x {n_in}: off by {error:.2g}")
        assert error < (1e-5 if IS_TRIAL else 2e-2)


@torch.inference_mode()
def measured() -> dict[str, float]:
    """Milliseconds of all products of a token."""
    found = {"merged, bf16": _token(_merged), "floor, bf16": _floor(2.0)}
    for tile in TILES:
        found[f"fp8 and adapters, {tile}"] = _token(partial(_beside, tile=tile))
    found["floor, fp8"] = _floor(1.0)
    for name, ms in found.items():
        print(f"{name}: {ms:.3f} ms a token", flush=True)
    return found


def _token(made: Callable[[int, int], Callable[[Tensor], Tensor]]) -> float:
    products = [(n_in, made(n_out, n_in)) for _ in range(LAYERS) for n_out, n_in in SHAPES.values()]
    inputs = {n_in: torch.randn(1, n_in, device=DEVICE, dtype=torch.bfloat16) for _, n_in in SHAPES.values()}

    def work() -> Tensor:
        return torch.cat([one(inputs[n_in]).flatten()[:1] for n_in, one in products])

    return 1000 * replayed(work)


def _merged(n_out: int, n_in: int) -> Callable[[Tensor], Tensor]:
    weight = torch.randn(n_out, n_in, device=DEVICE, dtype=torch.bfloat16)
    return lambda inputs: product(inputs, weight)


def _beside(n_out: int, n_in: int, tile: Tile) -> Callable[[Tensor], Tensor]:
    weight, scales = rounded(torch.randn(n_out, n_in, device=DEVICE))
    downs = torch.randn(RANK, n_in, device=DEVICE, dtype=torch.bfloat16)
    ups = torch.randn(n_out, RANK, device=DEVICE, dtype=torch.bfloat16)
    return lambda inputs: rounded_product(inputs, weight, scales, downs, ups, tile)


def _floor(bytes_each: float, bandwidth: float = 4.3e12) -> float:
    return 1000 * LAYERS * sum(n_out * n_in for n_out, n_in in SHAPES.values()) * bytes_each / bandwidth


if __name__ == "__main__":
    main()
