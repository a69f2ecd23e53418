"""A model that does not look is found out at start-up."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from vlatrain.errors import TrainerError
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.prompt import PromptTokenizer
from vlatrain.model.self_check import vision_self_check


@pytest.fixture
def prompt(tiny_folder: Path) -> Tensor:
    return torch.tensor(PromptTokenizer(tiny_folder).inference_ids("push the button"))


def test_a_seeing_model_passes_and_is_left_as_it_was(tiny_model: OpenVLA, prompt: Tensor) -> None:
    tiny_model.train()
    generator = torch.get_rng_state()
    vision_self_check(tiny_model, prompt)
    assert tiny_model.training
    assert torch.equal(torch.get_rng_state(), generator)


def test_an_adapted_model_passes_too(tiny_model: OpenVLA, prompt: Tensor) -> None:
    adapted = add_lora(tiny_model, rank=2).get_base_model()
    assert isinstance(adapted, OpenVLA)
    vision_self_check(adapted, prompt)


def test_a_blind_model_is_refused(tiny_model: OpenVLA, prompt: Tensor) -> None:
    torch.nn.init.zeros_(tiny_model.projector.fc3.weight)
    with pytest.raises(TrainerError, match="blind"):
        vision_self_check(tiny_model, prompt)


@pytest.mark.parametrize("entries", [0, 2])
def test_a_model_that_enters_the_towers_another_number_of_times_is_refused(
    entries: int, tiny_model: OpenVLA, prompt: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(pixel_values: Tensor, input_ids: Tensor, states: Tensor | None) -> Tensor:
        text = tiny_model.language_model.model.embed_tokens(input_ids)
        patches = torch.zeros(len(text), tiny_model.config.n_patches, text.shape[-1])
        for _ in range(entries):
            patches = tiny_model.projector(tiny_model.vision_backbone(pixel_values))
        return torch.cat((text[:, :1], patches, text[:, 1:]), dim=1)

    monkeypatch.setattr(tiny_model, "embed", embed)
    with pytest.raises(TrainerError, match=f"entered {entries} times"):
        vision_self_check(tiny_model, prompt)
