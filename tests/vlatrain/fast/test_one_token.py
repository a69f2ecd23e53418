"""One more token by its own steps, over merged weights, against the decoder's layers."""

from collections.abc import Callable

import pytest
import torch
from interpreted import needs_kernels
from kernel_cases import attended_case, begun_early_case, beside_case, product_case
from made_adapters import nudged
from torch import Tensor
from vlatrain.fast import merged as merging
from vlatrain.fast import one_token
from vlatrain.fast.beside import beside
from vlatrain.fast.merged import merged
from vlatrain.fast.one_token import OneToken
from vlatrain.model.fp8 import to_fp8
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

Make = Callable[[int], OpenVLA]


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_has_room", lambda *_: True)


def asked(vla: OpenVLA, lengths: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    size = vla.config.image_size
    pixels = torch.randn(len(lengths), 6, size, size, generator=generator)
    ids = torch.randint(3, vla.config.action_vocab_end, (len(lengths), max(lengths)), generator=generator)
    return pixels, ids, torch.tensor(lengths)


@torch.no_grad()
def continued(vla: OpenVLA, lengths: tuple[int, ...], steps: int = 3) -> tuple[Tensor, list[Tensor]]:
    """Hidden states of further tokens behind prompts, and the caches in the end."""
    pixels, ids, ends = asked(vla, lengths)
    decoder = vla.language_model.model
    embeddings = vla.embed(pixels, ids)
    caches = vla.language_model.empty_caches(len(ids), embeddings.shape[1] + steps, embeddings)
    decoder(embeddings, caches)
    ends = ends + vla.config.n_patches
    tokens = decoder.embed_tokens(torch.arange(3, 3 + len(ids)))[:, None]
    found = [decoder(tokens, caches, ends + step) for step in range(steps)]
    return torch.cat(found, dim=1), [one for cache in caches for one in (cache.keys, cache.values)]


@pytest.mark.parametrize("has_adapter", [True, False])
@pytest.mark.parametrize("lengths", [(9,), (9, 7, 8)], ids=["one row", "rows of unequal length"])
def test_states_and_caches_are_those_of_the_layers(
    make_tiny_model: Make, lengths: tuple[int, ...], has_adapter: bool
) -> None:
    vla = make_tiny_model(1)
    if has_adapter:
        nudged(add_lora(vla, rank=4, is_fused=True))
    vla.eval()
    decoder = vla.language_model.model
    with merged(vla) as weights:
        assert weights is not None
        expected, caches = continued(vla, lengths)
        decoder.one_token = OneToken(decoder, weights)
        found, own_caches = continued(vla, lengths)
        tokens = vla.predict(*asked(vla, lengths))
        decoder.one_token = None
        assert torch.equal(tokens, vla.predict(*asked(vla, lengths)))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(own_caches, caches, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def in_fp8(vla: OpenVLA, *, has_adapter: bool) -> OpenVLA:
    if has_adapter:
        nudged(add_lora(vla, rank=6, alpha=9, is_fused=True))
    to_fp8(vla, torch.device("cpu"))
    return vla.eval()


@pytest.mark.parametrize("has_adapter", [True, False])
def test_over_a_base_in_fp8_states_are_those_of_its_layers(make_tiny_model: Make, has_adapter: bool) -> None:
    """On a CPU both round the inputs of their products."""
    vla = in_fp8(make_tiny_model(1), has_adapter=has_adapter)
    decoder = vla.language_model.model
    expected, caches = continued(vla, (9,))
    decoder.one_token = OneToken(decoder, beside(vla))
    found, own_caches = continued(vla, (9,))
    decoder.one_token = None
    assert torch.equal(continued(vla, (9,))[0], expected)
    for one, other in zip((found, *own_caches), (expected, *caches), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_say_what_torch_says(dtype: torch.dtype) -> None:
    pairs = [*product_case("cpu", dtype), *attended_case("cpu", dtype), *begun_early_case("cpu", dtype, layers=1)]
    for found, expected in pairs:
        assert distance(found, expected) < 4 * torch.finfo(dtype).eps


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_over_weights_in_fp8_say_what_torch_says_of_unrounded_inputs(dtype: torch.dtype) -> None:
    for found, expected in [*beside_case("cpu", dtype), *begun_early_case("cpu", dtype, layers=1, rank=6)]:
        assert distance(found, expected) < 4 * torch.finfo(dtype).eps


@needs_kernels
@pytest.mark.parametrize("has_adapter", [True, False])
def test_by_kernels_over_a_base_in_fp8_states_are_those_of_what_it_stands_for(
    make_tiny_model: Make, monkeypatch: pytest.MonkeyPatch, has_adapter: bool
) -> None:
    vla = in_fp8(make_tiny_model(1), has_adapter=has_adapter)
    decoder = vla.language_model.model
    with merged(vla) as weights:
        assert weights is not None
        decoder.one_token = OneToken(decoder, weights)
        expected, caches = continued(vla, (9,), steps=2)
        monkeypatch.setattr(one_token, "has_kernels", lambda tensor: True)
        decoder.one_token = OneToken(decoder, beside(vla))
        found, own_caches = continued(vla, (9,), steps=2)
    for one, other in zip((found, *own_caches), (expected, *caches), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@needs_kernels
@pytest.mark.parametrize("splits", [1, 2, 4, 8])
@pytest.mark.parametrize("at", [(0,), (1,), (2, 0, 5), (31,), (32, 33), (64, 3), (287,)], ids=str)
def test_attention_shared_out_among_programs_is_the_whole_one(at: tuple[int, ...], splits: int) -> None:
    for _ in range(2):  # the second call finds the counts that the first one left
        for found, expected in attended_case("cpu", torch.float32, splits=splits, at=at):
            assert distance(found, expected) < 4 * torch.finfo(torch.float32).eps


def distance(found: Tensor, expected: Tensor) -> float:
    """As a share of what is expected."""
    return float((found.float() - expected.float()).norm() / expected.float().norm())
