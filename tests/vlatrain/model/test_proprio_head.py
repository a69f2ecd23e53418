"""The head that foretells the hand's state: fp32 in any arithmetic, the same from the same seed, felt by the towers."""

import torch
from torch import Tensor
from vlatrain.model.openvla import IGNORED, OpenVLA
from vlatrain.model.proprio_head import Lesson, ProprioHead


def inputs(model: OpenVLA) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(3)
    size = model.config.image_size
    ids = torch.arange(1, 14).expand(3, -1)
    labels = ids.clone()
    labels[:, :5] = IGNORED
    pixels = torch.randn(3, 6, size, size, generator=draws)
    return {"pixel_values": pixels, "input_ids": ids, "labels": labels, "states": torch.rand(3, 8, generator=draws)}


def lesson_of(model: OpenVLA) -> Lesson:
    return Lesson(model, ProprioHead(model.config.text.hidden_size, 7))


def test_a_seed_is_a_head() -> None:
    first, again, other = (ProprioHead(16, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])


def test_it_reads_any_number_of_patches_in_fp32_whatever_the_arithmetic() -> None:
    head = ProprioHead(16, 1)
    for patches in (4, 9):
        with torch.autocast("cpu", torch.bfloat16):
            assert head(torch.randn(3, patches, 16).bfloat16()).dtype is torch.float32
            assert head(torch.randn(3, patches, 16)).shape == (3, 8)


def test_its_error_reaches_both_towers_and_nothing_of_the_decoder(tiny_model: OpenVLA) -> None:
    out = lesson_of(tiny_model)(**inputs(tiny_model))
    assert out.proprio_loss is not None
    out.proprio_loss.backward()
    towers = tiny_model.vision_backbone
    for block in (towers.featurizer.blocks[0], towers.fused_featurizer.blocks[0]):
        gradients = [one.grad for one in block.parameters()]
        assert all(one is not None and one.abs().sum() > 0 for one in gradients)
    assert all(one.grad is None for one in tiny_model.language_model.model.layers.parameters())


def test_answers_are_the_model_s_own(tiny_model: OpenVLA) -> None:
    asked = inputs(tiny_model)
    taught = lesson_of(tiny_model)(**asked)
    alone = tiny_model(**{name: value for name, value in asked.items() if name != "states"})
    assert torch.equal(taught.logits, alone.logits)
    assert alone.proprio_loss is None
    patches = tiny_model.projector(tiny_model.vision_backbone(asked["pixel_values"]))
    assert torch.equal(taught.patches, patches)
