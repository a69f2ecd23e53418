"""Which tiles of our kernels read a token's weights fastest: over fp8 with adapters beside them, or with --bf16 merged.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_answers.py [--bf16] [--out FILE]
    TRITON_INTERPRET=1 ... benchmarks/next_answers.py      # in small, as Python, without a GPU: tries the script out

Each of a layer's four products as an answer has it (norm, gate or residual, and what adapters narrow, with it) by each
tile; over fp8 what narrows by itself, too. Then a whole token by the tiles that are set and by the best, beside one
over merged weights. What there is no time for within --seconds is left out. Prints what to set in
`fast/one_token_kernels.py`. Attention is searched by `next_token.py`.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import triton
from graph_times import compiled_aside, seconds_each
from next_token import LAYERS, LINEARS, NORM, multiplied, some, token_ms, weight_of
from speed_place import IS_TRIAL, release, wait
from torch import Tensor
from vlatrain.fast.beside import Beside
from vlatrain.fast.early import EARLY, beginning
from vlatrain.fast.one_token import Weights
from vlatrain.fast.one_token_kernels import Tile, narrowed

SIZES = (
    *((4, 1024, 4), (8, 1024, 4), (2, 2048, 4), (4, 2048, 4), (2, 4096, 4), (8, 512, 4), (4, 1024, 2), (4, 512, 2)),
    *((8, 512, 2), (8, 1024, 8), (4, 2048, 8), (2, 1024, 4)),
)
FOLDED = ((8, 2048, 4), (4, 4096, 4), (1, 4096, 4), (16, 1024, 4), (4, 4096, 8), (2, 2048, 2), (4, 2048, 2))
"""Worth a try only where a thread keeps one sum of many columns"""
UNFOLDED = 7
"""So many of SIZES are tried with a sum for every column, too"""
NARROWS = [
    *(Tile(*one) for one in ((1, 4096, 4), (1, 4096, 8), (1, 2048, 4), (1, 2048, 8), (1, 1024, 4))),
    *(Tile(*one, fold=8) for one in ((1, 4096, 4), (1, 4096, 8), (2, 4096, 4), (1, 2048, 4))),
][: 2 if IS_TRIAL else None]


def tiles(*, is_fp8: bool) -> list[Tile]:
    """Folded ones first: by 16 bytes."""
    fold = 16 if is_fp8 else 8
    found = [Tile(*sizes, fold=fold) for sizes in (*SIZES, *FOLDED)] + [Tile(*sizes) for sizes in SIZES[:UNFOLDED]]
    return found[: 2 if IS_TRIAL else None]


SMALLER = 1 if IS_TRIAL else 16
"""By so much each linear is, in each direction, where kernels are only compiled"""
BYTES, ROUNDS, BANDWIDTH = 0 if IS_TRIAL else 2e8, 24, 4.3e12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bf16", action="store_true", help="tiles over merged weights")
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = measured(time.monotonic() + options.seconds, is_fp8=not options.bf16)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


@torch.inference_mode()
def measured(until: float, *, is_fp8: bool) -> dict[str, float]:
    """Microseconds of each product by each tile, and milliseconds of a token."""
    gc.freeze()  # captures collect garbage
    compiled_aside(all_calls(is_fp8=is_fp8))
    found: dict[str, float] = {}
    best: dict[str, Tile] = {}
    names = [*LINEARS, *(["narrow"] if is_fp8 else [])]
    for number, name in enumerate(names):
        share = (until - time.monotonic()) / (len(names) + 1 - number)  # as much again for whole tokens
        took = dict(sorted(searched(name, time.monotonic() + share, is_fp8=is_fp8), key=lambda one: one[1]))
        best[name] = next(iter(took))
        found |= {f"{name}, {told(tile)}": us for tile, us in took.items()}
        print(
            f"{name}, us by tile: {', '.join(f'{us:.1f} {told(tile)}' for tile, us in [*took.items()][:6])}", flush=True
        )
    narrow = best.pop("narrow", None)
    for who, chosen in (("as set", {}), ("best tiles", best)):
        found[f"token, {who}"] = token_ms(is_fp8=is_fp8, tiles=chosen)
    if is_fp8:
        found["token, merged"] = token_ms()
    weights = LAYERS * sum(count * n_in * n_each for count, n_in, n_each in LINEARS.values())
    floor = 1000 * weights * (1 if is_fp8 else 2) / BANDWIDTH
    print(
        "; ".join(f"{who}: {ms:.3f} ms" for who, ms in found.items() if who.startswith("token")), f"floor {floor:.3f}"
    )
    print(*settings(best, narrow, is_fp8=is_fp8), sep="\n", flush=True)
    return found


def settings(best: dict[str, Tile], narrow: Tile | None, *, is_fp8: bool) -> Iterator[str]:
    """What to set in `fast/one_token_kernels.py`."""
    before = "FP8_" if is_fp8 else ""
    for name in ("asked", "output", "down"):
        count, n_in, n_each = LINEARS[name]
        yield f"{before}PRODUCT of {(count * n_each, n_in)}: {best[name]}"
    yield f"{before}GATED = {best['gated']}"
    if narrow:
        yield f"NARROW = {narrow}"


def all_calls(*, is_fp8: bool) -> list[Callable[[], Tensor]]:
    """Every product by every tile, in small."""
    calls = [
        call_of(name, weight_of(name, is_fp8=is_fp8, divided=SMALLER), tile)
        for name in LINEARS
        for tile in tiles(is_fp8=is_fp8)
    ]
    if is_fp8:
        calls += [call_of("narrow", weight_of("asked", is_fp8=True, divided=SMALLER), tile) for tile in NARROWS]

    return calls


def searched(name: str, until: float, *, is_fp8: bool) -> Iterator[tuple[Tile, float]]:
    """Microseconds by tile, over so many weights in turns that none is found in the cache."""
    release()
    weights = [weight_of("asked" if name == "narrow" else name, is_fp8=is_fp8)]
    weights += [
        weight_of("asked" if name == "narrow" else name, is_fp8=is_fp8) for _ in range(int(BYTES / size(weights[0])))
    ]
    wait()  # kernels that begin early read weights at once
    for number, tile in enumerate(NARROWS if name == "narrow" else tiles(is_fp8=is_fp8)):
        if number and time.monotonic() > until:
            return
        try:
            yield tile, 1e6 * seconds_each([call_of(name, one, tile) for one in weights], ROUNDS)
        except (RuntimeError, triton.TritonError) as error:
            print(f"    {told(tile)} cannot: {str(error).splitlines()[0][:80]}", flush=True)


def call_of(name: str, weight: Weights, tile: Tile) -> Callable[[], Tensor]:
    """The product of that name, over inputs of its own."""
    wide = weight.weight if isinstance(weight, Beside) else weight
    inputs, onto = some(1, wide.shape[1]), some(1, len(wide))
    if name == "narrow":
        assert isinstance(weight, Beside)
        assert weight.adapters is not None
        return partial(narrowed, inputs, weight.adapters.downs, NORM, tile, beginning(inputs, EARLY))
    return partial(multiplied, name, weight, inputs, onto, tile)


def size(weight: Weights) -> int:
    return weight.weight.nbytes if isinstance(weight, Beside) else weight.nbytes


def told(tile: Tile) -> str:
    return f"{tile.rows}x{tile.columns}/{tile.warps}{' folded' * (tile.fold > 1)}"


if __name__ == "__main__":
    main()
