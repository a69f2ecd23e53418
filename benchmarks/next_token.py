"""How a row's attention is best shared out among programs, and what a whole token of one row takes by our kernels.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_token.py
    TRITON_INTERPRET=1 ... benchmarks/next_token.py       # in small, as Python, without a GPU: tries the script out

Places read at a time, by warps, by programs a head; what each gives is compared with torch's.
Then a token through 32 layers, each with weights and a cache of its own: over merged weights in bf16 and over weights
in fp8 with adapters beside them, by attention as it is set and as found, with kernels that wait and that begin early.
The best are for `ATTENDED` in `fast/one_token_attention.py`, and `EARLY` in `fast/early.py`. `next_answers.py` searches
the tiles of products.
"""

import gc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product as pairs

import torch
from graph_times import compiled_aside, seconds_each
from speed_place import DEVICE, DTYPE, IS_TRIAL, release, wait
from torch import Tensor
from vlatrain.fast.beside import Adapters, Beside
from vlatrain.fast.early import EARLY
from vlatrain.fast.one_token import Weights, attended_plainly
from vlatrain.fast.one_token_attention import ATTENDED, Share, attended
from vlatrain.fast.one_token_kernels import Tile, gated, product
from vlatrain.model.llama import LayerCache, RmsNorm, Rotary

LAYERS, HEADS, SIZE, PLACES = (1, 2, 16, 19) if IS_TRIAL else (32, 32, 128, 288)
WIDTH, INNER = HEADS * SIZE, 3 * HEADS * SIZE if IS_TRIAL else 11008
LINEARS = {
    "asked": (3, WIDTH, WIDTH),
    "output": (1, WIDTH, WIDTH),
    "gated": (2, WIDTH, INNER),
    "down": (1, INNER, WIDTH),
}
"""Of a layer's products: how many, and what each reads and gives"""
RANK = 32
OFF_AT_MOST = 1e-5 if IS_TRIAL else 5e-2
SHARES = [
    Share(places, warps, splits)
    for splits, places, warps in pairs((1, 2, 4, 8, 16), (16, 32, 64, 128, 256), (2, 4, 8))
    if 128 <= places * splits <= 512 and 4 <= places // warps <= 32
]


@dataclass(frozen=True)
class Asked:
    """What attention of a row is asked, with one layer's cache."""

    states: Tensor
    turn: Rotary
    cache: LayerCache
    places: Tensor

    def by(self, share: Share, *, early: bool = False) -> Tensor:
        return self.of(self.states, share, early=early)

    def of(self, states: Tensor, share: Share, *, early: bool) -> Tensor:
        """states [B, 3 width]: queries, keys and values."""
        keys, values = self.cache.keys, self.cache.values
        return attended(states, *self.turn, keys, values, self.places, share=share, early=early)


def main() -> None:
    gc.freeze()  # captures collect garbage
    told()


@torch.inference_mode()
def told() -> None:
    """Microseconds of a layer's attention by each share, the best first; then milliseconds of a token."""
    compiled_aside([partial(asked().by, share) for share in SHARES])
    took = searched()
    best = next(iter(took))
    print(f"attention of a row, us a layer; {took[ATTENDED]:.1f} by {ATTENDED}, as set", flush=True)
    for share, us in list(took.items())[:6]:
        print(f"    {us:6.1f} by {share}", flush=True)
    hows = ("kernels that wait", False), ("early", True)
    for base, (name, share), (how, early) in pairs(("bf16", "fp8"), (("as set", ATTENDED), ("best", best)), hows):
        ms = token_ms(share, early=early, is_fp8=base == "fp8")
        print(f"a token of one row over {base}, attention {name}, {how}: {ms:.3f} ms", flush=True)
    if not IS_TRIAL:
        print(f"ATTENDED = {best}", flush=True)


def searched() -> dict[Share, float]:
    """Microseconds of a layer's attention, the best first; all layers' caches in turns, so that none is found near."""
    release()
    layers = [asked() for _ in range(LAYERS)]
    first = layers[0]
    expected = attended_plainly(first.states, first.turn, first.cache, first.places).float()
    found = {}
    for share in SHARES:
        off = float((first.by(share).float() - expected).norm() / expected.norm())
        assert off < OFF_AT_MOST, f"{share} is off by {off:.2g}"
        found[share] = 1e6 * seconds_each([partial(one.by, share) for one in layers], LAYERS)
    return dict(sorted(found.items(), key=lambda one: one[1]))


def asked() -> Asked:
    keys, values = (some(1, HEADS, PLACES, SIZE) for _ in range(2))
    turn = Rotary(*(some(1, 1, 1, SIZE) for _ in range(2)))
    places = torch.full((1,), PLACES - 1, device=DEVICE)
    return Asked(some(1, 3 * WIDTH), turn, LayerCache(keys, values), places)


def some(*shape: int) -> Tensor:
    return torch.randn(shape, device=DEVICE, dtype=DTYPE)


def token_ms(
    share: Share = ATTENDED,
    *,
    early: bool = EARLY,
    is_fp8: bool = False,
    tiles: Mapping[str, Tile] | None = None,
) -> float:
    """Of one token of one row through all layers; products by `tiles`, where given, and else as they are set."""
    release()
    layers = [layer_of(share, tiles or {}, early=early, is_fp8=is_fp8) for _ in range(LAYERS)]
    states = some(1, WIDTH)

    def token() -> Tensor:
        found = states
        for layer in layers:
            found = layer(found)
        return found

    wait()  # kernels that begin early read weights at once
    return 1000 * seconds_each([token], 1)


def layer_of(share: Share, tiles: Mapping[str, Tile], *, early: bool, is_fp8: bool) -> Callable[[Tensor], Tensor]:
    """A layer with weights and a cache of its own."""
    weights = {name: weight_of(name, is_fp8=is_fp8) for name in LINEARS}
    attention = asked()

    def by(name: str, inputs: Tensor, onto: Tensor) -> Tensor:
        return multiplied(name, weights[name], inputs, onto, tiles.get(name), early=early)

    def layer(states: Tensor) -> Tensor:
        mixed = attention.of(by("asked", states, states), share, early=early)
        states = by("output", mixed, states)
        return by("down", by("gated", states, states), states)

    return layer


def multiplied(
    name: str,
    weight: Weights,
    inputs: Tensor,
    onto: Tensor,
    tile: Tile | None,
    *,
    early: bool = EARLY,
) -> Tensor:
    """A layer's product of that name as an answer has it: norm, gate or residual with it."""
    if name == "gated":
        return gated(inputs, weight, NORM, tile, early=early)
    if name == "asked":
        return product(inputs, weight, norm=NORM, tile=tile, early=early)
    return product(inputs, weight, onto=onto, tile=tile, early=early)


def weight_of(name: str, *, is_fp8: bool, divided: int = 1) -> Weights:
    """Random; `divided` makes each linear smaller."""
    count, n_in, n_each = LINEARS[name]
    n_in, n_each = n_in // divided, n_each // divided
    if not is_fp8:
        return some(count * n_each, n_in) / math.sqrt(n_in)
    bits = torch.randint(0, 120, (count * n_each, n_in), device=DEVICE, dtype=torch.uint8)
    ranks = count * RANK
    return Beside(
        bits.view(torch.float8_e4m3fn),
        torch.rand(count * n_each, 1, device=DEVICE) / n_in,
        Adapters(some(ranks, n_in) / math.sqrt(n_in), some(count * n_each, ranks) / 10, RANK),
    )


NORM = RmsNorm(WIDTH, 1e-6).to(DEVICE, DTYPE)


if __name__ == "__main__":
    main()
