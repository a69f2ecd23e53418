"""Activation checkpointing: the same numbers, less kept."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from kept_bytes import kept_bytes
from peft import PeftModel
from torch import Tensor
from vlatrain.configuration.memory import Checkpointing
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import IGNORED, OpenVLA

Make = Callable[[int], OpenVLA]


def batch(model: OpenVLA) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    size = model.config.image_size
    ids = torch.randint(3, model.config.action_vocab_end, (2, 14), generator=generator)
    return torch.randn(2, 6, size, size, generator=generator), ids, torch.where(torch.arange(14) < 6, IGNORED, ids)


def _loss(adapted: PeftModel, model: OpenVLA) -> Tensor:
    loss: Tensor = adapted(*batch(model)).loss()
    return loss


def learned(model: OpenVLA, level: Checkpointing) -> dict[str, Tensor]:
    """The gradients of all adapters, with dropout."""
    adapted = add_lora(model, rank=4, dropout=0.3)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.05)
    model.recompute(level)
    torch.manual_seed(3)
    adapted.train()(*batch(model)).loss().backward()
    return {name: one.grad for name, one in adapted.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("level", [Checkpointing.BLOCKS, Checkpointing.FULL])
def test_gradients_are_the_same_to_the_last_bit_dropout_included(level: Checkpointing, make_tiny_model: Make) -> None:
    kept, computed = learned(make_tiny_model(1), Checkpointing.NONE), learned(make_tiny_model(1), level)
    assert kept.keys() == computed.keys()
    assert all(torch.equal(kept[name], computed[name]) for name in kept)


def test_each_level_keeps_less_than_the_one_before(make_tiny_model: Make) -> None:
    sizes = []
    for level in Checkpointing:
        model = make_tiny_model(1)
        adapted = add_lora(model, rank=4).train()
        model.recompute(level)
        sizes.append(kept_bytes(adapted, partial(_loss, adapted, model)))
    none, blocks, full = sizes
    assert none > 1.5 * blocks
    assert blocks > 1.5 * full


def test_predictions_are_the_same_and_nothing_is_recomputed_for_them(make_tiny_model: Make) -> None:
    model = make_tiny_model(1)
    pixels, ids, _ = batch(model)
    lengths = torch.tensor([14, 9])
    before = model.predict(pixels, ids, lengths)
    model.recompute(Checkpointing.FULL)
    assert torch.equal(model.predict(pixels, ids, lengths), before)
