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


def chunked(model: OpenVLA, chunk: int) -> OpenVLA:
    """The same weights, made to foretell so many actions."""
    other = OpenVLA(replace(model.config, chunk=chunk))
    other.load_state_dict(model.state_dict())
    return other.eval()


def test_a_chunk_foretold_token_by_token_is_that_of_one_pass_and_begins_with_the_single_action(model: OpenVLA) -> None:
    pixels, prompt, states = inputs(model)
    lengths = torch.full((3,), PROMPT_TOKENS)
    three = chunked(model, 3)
    answer = three.predict(pixels, prompt, lengths, states, actions=3)
    assert answer.shape == (3, 21)
    assert torch.equal(answer[:, :7], model.predict(pixels, prompt, lengths, states))
    assert torch.equal(answer[:, :14], three.predict(pixels, prompt, lengths, states, actions=2))
    end = torch.full((3, 1), 2)
    ids = torch.cat((prompt, answer, end), dim=1)
    labels = torch.cat((torch.full_like(prompt, IGNORED), answer, end), dim=1)
    out = three(pixels, ids, labels, states)
    assert out.logits.shape[1] == 22
    assert torch.equal(out.logits[:, :-1].argmax(-1), answer)


def test_what_lies_behind_an_episodes_end_moves_no_weight(model: OpenVLA) -> None:
    """Whatever stands there; the loss is that over the tokens that are known."""
    pixels, prompt, states = inputs(model, rows=1)
    two, actions = chunked(model, 2), ActionTokenizer(model.config.n_action_bins, model.config.action_vocab_end)
    known, end = torch.arange(7)[None] + actions.first_id, torch.tensor([[2]])
    losses = []
    for soft_bins in (0.0, 2.0):
        for filler in (0, 5):
            behind = torch.full((1, 7), actions.first_id + filler)
            labels = torch.cat((torch.full_like(prompt, IGNORED), known, torch.full_like(behind, IGNORED), end), dim=1)
            out = two(pixels, torch.cat((prompt, known, behind, end), dim=1), labels, states)
            known_only = ActionLogits(out.logits[:, [*range(7), 14]], out.targets[:, [*range(7), 14]])
            if not soft_bins:
                torch.testing.assert_close(out.loss(), known_only.loss())
            assert out.metrics(actions) == known_only.metrics(actions)
            losses.append(out._soft_loss(actions, soft_bins or 1.0).item())
    assert losses[0] == pytest.approx(losses[1])
    assert losses[2] == pytest.approx(losses[3])


def test_files_know_the_chunk(model: OpenVLA, tmp_path: Path) -> None:
    save_base(chunked(model, 8), tmp_path)
    assert OpenVLAConfig.from_json_file(tmp_path / "config.json").chunk == 8
    assert "num_actions_chunk" not in model.config.to_dict()
    with pytest.raises(TrainerError, match="num_actions_chunk 0"):
        replace(model.config, chunk=0)
