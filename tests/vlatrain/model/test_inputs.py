"""The optional inputs and targets: a second picture, the hand's state, bells instead of single bins."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vlatrain.errors import TrainerError
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.checkpoint_files import load_base, save_base
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import IGNORED, ActionLogits, OpenVLA
from vlatrain.model.self_check import vision_self_check

PROMPT_TOKENS = 5


@pytest.fixture
def model(tiny_config: OpenVLAConfig) -> OpenVLA:
    """Sees two pictures and a state of eight numbers."""
    model = OpenVLA(replace(tiny_config, pictures=2, state_size=8))
    initialise(model, 1)
    with torch.no_grad():
        model.language_model.model.embed_tokens.weight.mul_(50)
    return model.eval()


def inputs(model: OpenVLA, rows: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, prompts and states."""
    draws = torch.Generator().manual_seed(3)
    size = model.config.image_size
    pixels = torch.randn(rows, 12, size, size, generator=draws)
    prompt = torch.arange(1, PROMPT_TOKENS + 1).expand(rows, -1)
    return pixels, prompt, torch.randn(rows, 8, generator=draws)


def test_every_input_reaches_the_answer(model: OpenVLA) -> None:
    pixels, prompt, states = inputs(model)

    def logits(pixels: Tensor, states: Tensor) -> Tensor:
        return model.language_model.logits(model.language_model.model(model.embed(pixels, prompt, states))[:, -1])

    before = logits(pixels, states)
    for channel in (0, 6):
        changed = pixels.clone()
        changed[:, channel] += 1
        assert not torch.allclose(logits(changed, states), before)
    assert not torch.allclose(logits(pixels, states + 1), before)


def test_answers_token_by_token_are_those_of_one_pass(model: OpenVLA) -> None:
    pixels, prompt, states = inputs(model)
    answer = model.predict(pixels, prompt, torch.full((3,), PROMPT_TOKENS), states)
    end = torch.full((3, 1), 2)
    ids = torch.cat((prompt, answer, end), dim=1)
    labels = torch.cat((torch.full_like(prompt, IGNORED), answer, end), dim=1)
    assert torch.equal(model(pixels, ids, labels, states).logits[:, :-1].argmax(-1), answer)


def test_the_second_picture_passes_the_same_towers_as_the_first(model: OpenVLA) -> None:
    pixels, _, _ = inputs(model)
    both = model.vision_backbone(pixels)
    apart = [model.vision_backbone(pixels[:, first : first + 6]) for first in (0, 6)]
    torch.testing.assert_close(both, torch.cat(apart, dim=1))


def test_files_know_the_inputs_and_the_published_model_has_none(model: OpenVLA, tmp_path: Path) -> None:
    save_base(model, tmp_path)
    again = load_base(tmp_path)
    assert (again.config.pictures, again.config.state_size) == (2, 8)
    assert again.config.n_patches == 2 * model.config.featurizer.n_patches + 1
    assert set(again.state_dict()) == set(model.state_dict())
    published = OpenVLAConfig()
    assert (published.pictures, published.state_size, published.n_patches) == (1, 0, 256)
    assert not {"num_images_in_input", "proprio_dim"} & published.to_dict().keys()


def test_a_number_of_pictures_that_means_nothing_is_refused(tiny_config: OpenVLAConfig) -> None:
    with pytest.raises(TrainerError, match="num_images_in_input 3"):
        replace(tiny_config, pictures=3)


def test_the_self_check_knows_them(model: OpenVLA) -> None:
    vision_self_check(model, torch.arange(1, PROMPT_TOKENS + 1))


@pytest.fixture
def told() -> Callable[[int], ActionLogits]:
    """Logits that are sure of one bin, and targets in the middle of all."""
    actions = ActionTokenizer(16, 40)

    def make(away: int) -> ActionLogits:
        targets = torch.full((2, 8), actions.vocab - 8)
        targets[:, -1] = 2
        logits = torch.nn.functional.one_hot(targets + torch.tensor([away] * 7 + [0]), 48).float() * 6
        return ActionLogits(logits, targets)

    return make


def test_bells_forgive_a_near_miss_and_single_bins_do_not(told: Callable[[int], ActionLogits]) -> None:
    actions = ActionTokenizer(16, 40)
    hard = [told(away).loss().item() for away in (0, 1, 4)]
    soft = [told(away).loss(actions, 2.0).item() for away in (0, 1, 4)]
    assert hard[1] == pytest.approx(hard[2])
    assert soft[0] < soft[1] < soft[2]
    assert told(0).loss(actions, 0.0).item() == hard[0]
    assert told(1).loss(actions, 0.05).item() == pytest.approx(hard[1])
