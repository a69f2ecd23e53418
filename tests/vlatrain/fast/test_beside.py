"""Weights for answering over a base in fp8: linears of one input together, adapters beside them."""

from collections.abc import Callable, Iterator

import pytest
import torch
from made_adapters import nudged
from policy_questions import question
from torch import Tensor
from vlatrain.fast import merged as merging
from vlatrain.fast.beside import beside, read_beside
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.merged import merged_others
from vlatrain.model.fp8 import base_of, to_fp8
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

Make = Callable[[int], OpenVLA]


@pytest.fixture(autouse=True)
def forgotten_programs() -> Iterator[None]:
    """Other tests compile the same blocks."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def in_fp8(vla: OpenVLA, *, has_adapter: bool = True) -> OpenVLA:
    if has_adapter:
        nudged(add_lora(vla, rank=6, alpha=9, is_fused=True))
    to_fp8(vla, torch.device("cpu"))
    return vla.eval()


def states(vla: OpenVLA) -> Tensor:
    """Of all places of two prompts."""
    pixels, ids, _ = question(vla)
    with torch.no_grad():
        found: Tensor = vla.language_model.model(vla.embed(pixels, ids))
    return found


@pytest.mark.parametrize("has_adapter", [True, False])
def test_prompts_are_read_and_answered_as_in_training(make_tiny_model: Make, has_adapter: bool) -> None:
    vla = in_fp8(make_tiny_model(1), has_adapter=has_adapter)
    expected, tokens = states(vla), vla.predict(*question(vla))
    with read_beside(vla, beside(vla)):
        torch.testing.assert_close(states(vla), expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(vla.predict(*question(vla)), tokens)
        read = [one for one in vla.language_model.model.modules() if getattr(one, "beside", None) is not None]
        assert len(read) == len(vla.language_model.model.layers) * (4 if has_adapter else 2)
    assert torch.equal(states(vla), expected)


def test_a_linear_without_an_adapter_among_such_with_one_is_read_too(make_tiny_model: Make) -> None:
    vla = in_fp8(make_tiny_model(1))
    for layer in vla.language_model.model.layers:
        assert isinstance(layer, DecoderLayer)
        layer.self_attn.k_proj = base_of(layer.self_attn.k_proj)
    expected = states(vla)
    with read_beside(vla, beside(vla)):
        torch.testing.assert_close(states(vla), expected, rtol=1e-4, atol=1e-4)


def test_adapters_are_those_of_the_moment_they_were_taken(make_tiny_model: Make) -> None:
    vla = in_fp8(make_tiny_model(1))
    expected, weights = states(vla), beside(vla)
    with torch.no_grad():
        for one in vla.language_model.model.modules():
            if isinstance(one, FusedLoraLinear):
                one.masters[1].mul_(-1)
    changed = states(vla)
    assert distance(changed, expected) > 0.1
    for taken, wanted in ((weights, expected), (beside(vla), changed)):
        with read_beside(vla, taken):
            torch.testing.assert_close(states(vla), wanted, rtol=1e-4, atol=1e-4)


def test_without_the_decoder_s_copies_all_else_is_merged(
    make_tiny_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_has_room", lambda *_: True)
    vla = in_fp8(make_tiny_model(1))
    expected = states(vla)
    with merged_others(vla):
        torch.testing.assert_close(states(vla), expected, rtol=1e-4, atol=1e-4)
        copied = [name for name, one in vla.named_modules() if getattr(one, "merged_weight", None) is not None]
    assert copied
    assert not [name for name in copied if "layers" in name and "language_model" in name]


@pytest.mark.slow
def test_compiled_layers_read_so_without_a_break(make_tiny_model: Make) -> None:
    vla = in_fp8(make_tiny_model(1))
    expected = states(vla)
    compile_blocks(vla, backend="aot_eager", fullgraph=True)
    torch._dynamo.utils.counters.clear()
    with read_beside(vla, beside(vla)):
        torch.testing.assert_close(states(vla), expected, rtol=1e-4, atol=1e-4)
    kinds = 3 + 1  # all layers of the decoder but the last are of one kind; of the towers' blocks the first differ
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= kinds + 1


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
