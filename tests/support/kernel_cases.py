"""What the Triton kernels of one token give, beside what torch gives for the same."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from vlatrain.fast import one_token
from vlatrain.fast.beside import Adapters, Beside
from vlatrain.fast.capture import captured
from vlatrain.model.config import TextConfig
from vlatrain.model.fp8 import rounded
from vlatrain.model.llama import LayerCache, RmsNorm, rotary

Pairs = list[tuple[Tensor, Tensor]]
"""Found, and expected"""


@torch.no_grad()
def product_case(device: str, dtype: torch.dtype, n_in: int = 1104, n_out: int = 22) -> Pairs:
    """The three products with one row; neither width is a multiple of a tile's."""
    from vlatrain.fast import one_token_kernels

    generator = torch.Generator().manual_seed(4)
    norm = RmsNorm(n_in, 1e-6)
    norm.weight.copy_(torch.rand(n_in, generator=generator) + 0.5)
    norm.to(device, dtype)
    inputs, onto = (torch.randn(1, size, generator=generator).to(device, dtype) for size in (n_in, n_out))
    weight = (torch.randn(n_out, n_in, generator=generator) / n_in**0.5).to(device, dtype)
    exact = inputs.double() @ weight.double().t()
    normed = F.rms_norm(inputs.double(), (n_in,), norm.weight.double(), norm.eps) @ weight.double().t()
    gate, up = normed.chunk(2, dim=-1)
    folded = one_token_kernels.Tile(rows=8, columns=256, warps=2, fold=8)
    return [
        (one_token_kernels.product(inputs, weight, norm=norm, tile=folded), normed),
        (one_token_kernels.gated(inputs, weight, norm, folded), F.silu(gate) * up),
        (one_token_kernels.product(inputs, weight, norm=norm), normed),
        (one_token_kernels.product(inputs, weight, onto=onto), onto.double() + exact),
        (one_token_kernels.gated(inputs, weight, norm), F.silu(gate) * up),
    ]


def beside_of(
    device: str, dtype: torch.dtype, linears: int, n_in: int, n_each: int, rank: int, seed: int = 8
) -> Beside:
    """Weights in fp8 with factors of many sizes; rank 0: without adapters."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(linears * n_each, n_in, generator=generator) / n_in**0.5
    weight, scales = rounded(drawn * (torch.rand(len(drawn), 1, generator=generator) + 0.5))
    downs = torch.randn(linears * rank, n_in, generator=generator) / n_in**0.5
    blocks = [0.2 * torch.randn(n_each, rank, generator=generator) for _ in range(linears)]
    ups: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]  # torch's gap
    adapters = Adapters(downs.to(device, dtype), ups.to(device, dtype), rank) if rank else None
    return Beside(weight.to(device), scales.to(device), adapters)


def exactly(weight: Beside, inputs: Tensor) -> Tensor:
    """In fp64, with inputs as they are."""
    out = inputs.double() @ (weight.weight.double() * weight.scales).t()
    if weight.adapters is not None:
        out = out + inputs.double() @ weight.adapters.downs.double().t() @ weight.adapters.ups.double().t()
    return out


@torch.no_grad()
def beside_case(device: str, dtype: torch.dtype, n_in: int = 1104, n_each: int = 13, rank: int = 6) -> Pairs:
    """The products with one row over weights in fp8: of one, two and three linears, with adapters and without."""
    from vlatrain.fast.one_token_kernels import Tile, gated, product

    generator = torch.Generator().manual_seed(7)
    norm = RmsNorm(n_in, 1e-6)
    norm.weight.copy_(torch.rand(n_in, generator=generator) + 0.5)
    norm.to(device, dtype)
    inputs, onto = (torch.randn(1, size, generator=generator).to(device, dtype) for size in (n_in, n_each))
    normed = F.rms_norm(inputs.double(), (n_in,), norm.weight.double(), norm.eps)
    found: Pairs = []
    for ranks, tile in ((rank, None), (rank, Tile(rows=8, columns=256, warps=2, fold=8)), (0, None)):
        asked, output, both = (beside_of(device, dtype, count, n_in, n_each, ranks) for count in (3, 1, 2))
        gate, up = exactly(both, normed).chunk(2, dim=-1)
        found += [
            (product(inputs, asked, norm=norm, tile=tile), exactly(asked, normed)),
            (product(inputs, output, onto=onto, tile=tile), onto.double() + exactly(output, inputs)),
            (gated(inputs, both, norm, tile), F.silu(gate) * up),
        ]
    return found


@torch.no_grad()
def attended_case(
    device: str,
    dtype: torch.dtype,
    heads: int = 2,
    size: int = 64,
    *,
    splits: int | None = None,
    at: tuple[int, ...] = (149, 70, 0),
) -> Pairs:
    """Attention of rows at places of their own, and the caches behind it.

    With `splits` 32 places are read at a time.
    """
    from vlatrain.fast.one_token_attention import ATTENDED, Share, attended

    generator = torch.Generator().manual_seed(5)
    places = torch.tensor(at, device=device)
    rows, n_places = len(at), max(at) + 3
    width = heads * size
    config = TextConfig(
        vocab_size=400, hidden_size=width, intermediate_size=16, num_attention_heads=heads, pad_token_id=1
    )
    turn = rotary(places[:, None], config, dtype)
    kept = [torch.randn(rows, heads, n_places, size, generator=generator).to(device, dtype) for _ in range(2)]
    asked = torch.randn(rows, 3 * width, generator=generator).to(device, dtype)
    own, plain = (LayerCache(*(one.clone() for one in kept)) for _ in range(2))
    share = ATTENDED if splits is None else Share(places=32, warps=4, splits=splits)
    found = attended(asked, turn.cos, turn.sin, own.keys, own.values, places, share=share)
    expected = one_token.attended_plainly(asked, turn, plain, places)
    return [(found, expected), (own.keys, plain.keys), (own.values, plain.values)]


@torch.no_grad()
def begun_early_case(
    device: str, dtype: torch.dtype, heads: int = 2, size: int = 64, layers: int = 3, rank: int | None = None
) -> Pairs:
    """A row's states through layers, by kernels that begin early, as a graph on a GPU, and by such that wait.

    With a `rank` over weights in fp8 with adapters beside them.
    """
    from vlatrain.fast.one_token_attention import Share, attended
    from vlatrain.fast.one_token_kernels import Tile, gated, product

    width, generator = heads * size, torch.Generator().manual_seed(6)

    def some(*shape: int) -> Tensor:
        made = torch.randn(shape, generator=generator).to(device, dtype)
        return made.div_(shape[-1] ** 0.5)

    norm = RmsNorm(width, 1e-6).to(device, dtype)

    def weight(linears: int, n_in: int, n_each: int) -> Tensor | Beside:
        plain = some(linears * n_each, n_in)
        return plain if rank is None else beside_of(device, dtype, linears, n_in, n_each, rank)

    asked, output, inner, down = (
        weight(count, n * width, m * width) for count, n, m in ((3, 1, 1), (1, 1, 1), (2, 1, 2), (1, 2, 1))
    )
    begin, cos, sin, place = some(1, width), some(size), some(size), torch.tensor([40], device=device)
    keys, values = some(layers, 1, heads, 41, size), some(layers, 1, heads, 41, size)
    tile, share = Tile(4, 64, 4), Share(16, 4, splits=2)

    def through(early: bool) -> Tensor:
        states = begin
        for layer in range(layers):
            mixed = attended(
                product(states, asked, norm=norm, tile=tile, early=early),
                cos, sin, keys[layer], values[layer], place, share=share, early=early,
            )  # fmt: skip
            states = product(mixed, output, onto=states, tile=tile, early=early)
            given = gated(states, inner, norm, tile, early=early)
            states = product(given, down, onto=states, tile=tile, early=early)
        return states

    expected, found = through(early=False), through(early=True)
    if device == "cuda":
        graph, found = captured(partial(through, early=True))
        graph.replay()
        torch.cuda.synchronize()
    return [(found, expected)]
