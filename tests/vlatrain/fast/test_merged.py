"""Weights for answering only: merged copies beside a base and adapters that stay as they are."""

from collections.abc import Callable

import pytest
import torch
from made_adapters import nudged
from policy_questions import question
from torch import Tensor
from vlatrain.fast import merged as module
from vlatrain.fast.merged import merged, merged_weight, read_prompts
from vlatrain.model.fp8 import Fp8Linear, to_fp8
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import Attention, Mlp
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

Make = Callable[[int], OpenVLA]


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_room", lambda *_: True)


def logits(vla: OpenVLA) -> Tensor:
    """At all places, of the model as it answers."""
    pixels, ids, _ = question(vla)
    with torch.no_grad():
        return vla.language_model.logits(vla.language_model.model(vla.embed(pixels, ids)))


@pytest.mark.parametrize("has_adapter", [True, False])
def test_merged_it_answers_as_before_and_is_left_as_it_was(make_tiny_model: Make, has_adapter: bool) -> None:
    vla = make_tiny_model(1)
    if has_adapter:
        nudged(add_lora(vla, rank=4, is_fused=True))
    vla.eval()
    expected, tokens = logits(vla), vla.predict(*question(vla))
    before = {name: one.clone() for name, one in vla.state_dict().items()}
    with merged(vla):
        torch.testing.assert_close(logits(vla), expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(vla.predict(*question(vla)), tokens)
    assert torch.equal(logits(vla), expected)
    assert all(torch.equal(one, before[name]) for name, one in vla.state_dict().items())


def test_weights_in_8_bits_are_merged_as_what_they_stand_for(make_tiny_model: Make) -> None:
    vla = make_tiny_model(1)
    nudged(add_lora(vla, rank=4, is_fused=True))
    to_fp8(vla, torch.device("cpu"))
    linear = next(module for module in vla.language_model.modules() if isinstance(module, FusedLoraLinear))
    base = linear.base_layer
    assert isinstance(base, Fp8Linear)
    down, up = linear.masters
    torch.testing.assert_close(
        merged_weight(linear, torch.float32), base.weight.float() * base.scales + linear.scale * up @ down
    )


def test_an_error_while_answering_leaves_nothing_merged(make_tiny_model: Make) -> None:
    vla = make_tiny_model(1)
    with pytest.raises(RuntimeError), merged(vla):
        raise RuntimeError
    assert all(module.joint is None for module in vla.modules() if isinstance(module, Attention | Mlp))


def test_prompts_can_be_read_over_a_base_in_8_bits_and_tokens_made_over_merged_weights(make_tiny_model: Make) -> None:
    vla = make_tiny_model(1)
    nudged(add_lora(vla, rank=4, is_fused=True))
    to_fp8(vla, torch.device("cpu"))
    vla.eval()
    plain, tokens = logits(vla), vla.predict(*question(vla))
    seen: list[int] = []
    first = vla.language_model.model.get_submodule("layers.0.mlp.gate_proj.base_layer")
    with merged(vla):
        assert not torch.allclose(logits(vla), plain, rtol=1e-4, atol=1e-4), "merged products round no inputs"
        read_prompts(vla, is_merged=False)
        torch.testing.assert_close(logits(vla), plain, rtol=1e-4, atol=1e-4)
        first.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0].shape[1]))
        found = vla.predict(*question(vla))
    places = vla.config.n_patches + question(vla)[1].shape[1]
    assert seen == [places], "of an answer only the prompt is read in 8 bits"
    assert torch.equal(found[:, 0], tokens[:, 0])
    assert torch.equal(logits(vla), plain)
