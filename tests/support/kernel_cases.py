"""What the Triton kernels of one token give, beside what torch gives for the same."""

import torch
from torch import Tensor
from torch.nn import functional as F
from vlatrain.fast import one_token
from vlatrain.model.config import TextConfig
from vlatrain.model.llama import LayerCache, RmsNorm, rotary

Pairs = list[tuple[Tensor, Tensor]]
"""Found, and expected"""


@torch.no_grad()
def product_case(device: str, dtype: torch.dtype, n_in: int = 1104, n_out: int = 70) -> Pairs:
    """The three products with one row; neither width is a multiple of a tile's."""
    from vlatrain.fast import one_token_kernels

    generator = torch.Generator().manual_seed(4)
    norm = RmsNorm(n_in, 1e-6)
    norm.weight.copy_(torch.rand(n_in, generator=generator) + 0.5)
    norm.to(device, dtype)
    inputs, onto = (torch.randn(1, size, generator=generator).to(device, dtype) for size in (n_in, n_out))
    weight = (torch.randn(n_out, n_in, generator=generator) / n_in**0.5).to(device, dtype)
    gate, up = F.linear(norm(inputs), weight).float().chunk(2, dim=-1)
    ahead = one_token_kernels.Tile(rows=8, columns=256, warps=2, ahead=True)
    return [
        (one_token_kernels.product(inputs, weight, norm=norm, tile=ahead), F.linear(norm(inputs), weight)),
        (one_token_kernels.gated(inputs, weight, norm, ahead), F.silu(gate) * up),
        (one_token_kernels.product(inputs, weight, norm=norm), F.linear(norm(inputs), weight)),
        (one_token_kernels.product(inputs, weight, onto=onto), torch.addmm(onto, inputs, weight.t())),
        (one_token_kernels.gated(inputs, weight, norm), F.silu(gate) * up),
    ]


@torch.no_grad()
def attended_case(device: str, dtype: torch.dtype, heads: int = 2, size: int = 64) -> Pairs:
    """Attention of three rows at places of their own, and the caches behind it."""
    from vlatrain.fast import one_token_kernels

    generator = torch.Generator().manual_seed(5)
    places = torch.tensor([149, 70, 0], device=device)
    width = heads * size
    config = TextConfig(
        vocab_size=400, hidden_size=width, intermediate_size=16, num_attention_heads=heads, pad_token_id=1
    )
    turn = rotary(places[:, None], config, dtype)
    kept = [torch.randn(3, heads, 150, size, generator=generator).to(device, dtype) for _ in range(2)]
    asked = torch.randn(3, 3 * width, generator=generator).to(device, dtype)
    own, plain = (LayerCache(*(one.clone() for one in kept)) for _ in range(2))
    found = one_token_kernels.attended(asked, turn.cos, turn.sin, own.keys, own.values, places)
    expected = one_token.attended_plainly(asked, turn, plain, places)
    return [(found, expected), (own.keys, plain.keys), (own.values, plain.values)]
