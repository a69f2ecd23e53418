"""Adapters cast once a pass, against adapters cast where they are used."""

from collections.abc import Callable

import pytest
import torch
from made_adapters import nudged
from peft import PeftModel
from torch import Tensor
from vlatrain.fast.pass_graphs import flat_gradients
from vlatrain.fast.shadows import Shadows, adapters_of
from vlatrain.model.lora import adapter_tensors, add_lora
from vlatrain.model.openvla import IGNORED, OpenVLA

Make = Callable[[int], OpenVLA]


def batch(vla: OpenVLA, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size = vla.config.image_size
    pixels = torch.randn(2, 6, size, size, generator=generator).bfloat16()
    ids = torch.randint(3, vla.config.action_vocab_end, (2, 14), generator=generator)
    return pixels, ids, torch.where(torch.arange(14) >= 6, ids, IGNORED)


def adapted(make: Make) -> PeftModel:
    vla = make(1).to(torch.bfloat16)
    return nudged(add_lora(vla, rank=4, is_fused=True)).train()


def bare(model: PeftModel) -> OpenVLA:
    vla = model.get_base_model()
    assert isinstance(vla, OpenVLA)
    return vla


def trained(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [one for one in model.parameters() if one.requires_grad]


def gradients(make: Make, passes: int, *, has_shadows: bool) -> Tensor:
    model = adapted(make)
    flat = flat_gradients(adapters_of(model))
    shadows = Shadows(model, torch.bfloat16) if has_shadows else None
    for number in range(passes):
        if shadows:
            shadows.follow()
        model(*batch(bare(model), number)).loss().backward()
        if shadows:
            shadows.gather(flat)
    return flat


@pytest.mark.parametrize("passes", [1, 3])
def test_gradients_are_the_same_to_the_last_bit(make_tiny_model: Make, passes: int) -> None:
    found, expected = (gradients(make_tiny_model, passes, has_shadows=has) for has in (True, False))
    assert found.abs().sum() > 0
    assert torch.equal(found, expected)


def test_the_masters_keep_names_values_and_type(make_tiny_model: Make) -> None:
    model, untouched = adapted(make_tiny_model), adapted(make_tiny_model)
    Shadows(model, torch.bfloat16)
    kept, expected = adapter_tensors(model), adapter_tensors(untouched)
    assert list(kept) == list(expected)
    assert all(torch.equal(kept[name], expected[name]) for name in kept)
    assert {one.dtype for one in kept.values()} == {torch.float32}


def test_an_update_shows_in_the_next_pass_and_at_once_outside_training(make_tiny_model: Make) -> None:
    model = adapted(make_tiny_model)
    shadows = Shadows(model, torch.bfloat16)
    shadows.follow()
    inputs = batch(bare(model), 1)
    before = model(*inputs).logits
    with torch.no_grad():
        for parameter in trained(model):
            parameter.mul_(2)
        at_once = model(*inputs).logits
    shadows.follow()
    assert not torch.equal(before, at_once)
    assert torch.equal(model(*inputs).logits, at_once)
