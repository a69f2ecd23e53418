"""What lies between an MLP's products in fp8, at the sizes of a step: by the compiler, and by ours in several tiles."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import starmap

import torch
from speed_place import DEVICE, DTYPE, IS_TRIAL
from torch import Tensor
from torch.nn import functional as F
from vlatrain.model.fp8 import rounded
from vlatrain.model.gated_rounding import Rounded, gated, of_gated

RANK = 8 if IS_TRIAL else 32
TILES = ((64, 64, 4), (32, 64, 4), (32, 128, 4), (32, 128, 8), (16, 128, 4), (32, 256, 8))
"""Rows, columns and warps of a program that puts gate and up together."""
ROUNDED_TILES = ((1, 2048, 8), (1, 1024, 4), (1, 2048, 4), (1, 4096, 8), (1, 8192, 8))
Way = Callable[[], Tensor]
Ways = tuple[Way, dict[str, Way], int]
"""The compiler's, ours, and the bytes that it takes at least"""


def roundings(rows: int, width: int) -> dict[str, Ways]:
    """Activations and their gradient with the adapters' parts, rounded; and the last part of that, rounding alone."""
    wide, narrow = made(rows, 2 * width), made(rows, 2 * RANK)
    ups = torch.block_diag(made(width, RANK), made(width, RANK))  # type: ignore[no-untyped-call]  # torch's gap
    scales = torch.rand(2 * width, 1, device=DEVICE) + 0.1
    return {
        "gated, rounded": _gated(wide, narrow, ups),
        "gradient of gated, rounded": _of_gated(wide, narrow, ups, scales),
        "rounding alone, columns scaled": _rounded(wide, scales),
    }


def _gated(wide: Tensor, narrow: Tensor, ups: Tensor) -> Ways:
    def compiled() -> tuple[Tensor, ...]:
        joined = wide + narrow @ ups.t()
        gate, up = joined.chunk(2, dim=-1)
        found = F.silu(gate) * up
        return found, *rounded(found), joined  # which is kept for the pass backward

    inputs = (wide, narrow, ups)
    ours = {"as it is": _first(lambda: gated(*inputs)), **_by_tiles("gated", TILES, *inputs)}
    return _compiled(compiled), ours, 7 * wide.numel() // 2


def _of_gated(wide: Tensor, narrow: Tensor, ups: Tensor, scales: Tensor) -> Ways:
    rows, width = len(wide), wide.shape[1] // 2
    of_wide, of_narrow, downs = made(rows, width), made(rows, RANK), made(RANK, width)
    joined = wide + narrow @ ups.t()

    def compiled() -> tuple[Tensor, ...]:
        gate, up = joined.chunk(2, dim=-1)
        gradient, share = of_wide + of_narrow @ downs, torch.sigmoid(gate)
        parts = (gradient * up * share * (1 + gate * (1 - share)), gradient * F.silu(gate))
        found = torch.cat(parts, dim=-1)
        return found, *rounded(found.float() * scales.t())

    inputs = (of_wide, of_narrow, downs, wide, narrow, ups, scales)
    ours = {"as it is": _first(lambda: of_gated(*inputs)), **_by_tiles("of_gated", TILES, *inputs)}
    return _compiled(compiled), ours, 12 * of_wide.numel()


def _rounded(values: Tensor, scales: Tensor) -> Ways:
    largest = (values.float() * scales.t()).abs().amax(-1, keepdim=True).expand(-1, 128).contiguous()
    ours = _by_tiles("rounded", ROUNDED_TILES, values, largest, scales)
    return _compiled(lambda: rounded(values.float() * scales.t())), ours, 3 * values.numel()


def _by_tiles(name: str, tiles: Sequence[tuple[int, int, int]], *inputs: Tensor) -> dict[str, Way]:
    """The kernel of that name by each tile."""
    if IS_TRIAL:
        return {}
    from vlatrain.model import gated_kernels
    from vlatrain.model.joint_kernels import Tile

    kernel = getattr(gated_kernels, name)
    return {str(tile): _first(partial(kernel, *inputs, tile)) for tile in starmap(Tile, tiles)}


def made(*shape: int) -> Tensor:
    """Random numbers in the type of the passes."""
    return torch.randn(shape, device=DEVICE, dtype=DTYPE)


def _compiled(way: Callable[[], tuple[Tensor, ...]]) -> Way:
    return _first(way if IS_TRIAL else torch.compile(way))


def _first(way: Callable[[], tuple[Tensor, ...] | Rounded]) -> Way:
    """Of what is made altogether, what is compared."""
    return lambda: way()[0]
