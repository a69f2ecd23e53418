"""Pictures augmented and normalised in one program, against the plain path, operator by operator."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from vlatrain.data.augment import Draws, augment, draw
from vlatrain.fast.pictures import Look, compiled_look, fused_look
from vlatrain.model.images import PUBLISHED, normalise, on_device

MATERIALS = Path(__file__).parents[1] / "materials"
PUBLISHED_DRAWS = runpy.run_path(str(MATERIALS / "make_pictures.py"))["DRAWS"]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten_programs() -> Iterator[None]:
    yield
    torch._dynamo.reset()


def observations() -> Tensor:
    """Two real ones, and noise, whose neighbours differ the most."""
    names = [f"libero_observation_{number}_resized.png" for number in range(2)]
    real = [np.asarray(Image.open(MATERIALS / name)) for name in names]
    noise = np.random.default_rng(1).integers(0, 256, (2, *real[0].shape), dtype=np.uint8)
    grey = np.full((1, *real[0].shape), 128, np.uint8)
    return torch.from_numpy(np.concatenate([np.stack(real), noise, grey]))


def levels(pixels: Tensor) -> Tensor:
    """The uint8 pictures behind pixel values, of both towers."""
    mean, std = on_device(PUBLISHED, CPU)
    return ((pixels * std + mean) * 255).round().int()


def assert_few_values_moved(look: Look, images: Tensor, draws: Draws) -> None:
    found = levels(look(images, draws, *on_device(PUBLISHED, CPU), torch.float32))
    expected = levels(normalise(augment(images, draws)))
    difference = (found - expected).abs()
    assert difference.max() <= 1
    assert difference.float().mean() < 1e-4
    assert expected.float().std() > 10, "there is something to see"


def test_in_one_it_is_what_it_is_one_behind_the_other() -> None:
    images = observations()
    assert_few_values_moved(fused_look, images, draw(3, np.arange(len(images)), CPU))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("which", range(len(PUBLISHED_DRAWS)))
def test_pictures_are_augmented_as_published(number: int, which: int) -> None:
    draws = Draws(*(torch.tensor([one]) for one in PUBLISHED_DRAWS[which]))
    found = levels(fused_look(observations()[number, None], draws, *on_device(PUBLISHED, CPU), torch.float32))
    published = np.asarray(Image.open(MATERIALS / f"libero_observation_{number}_augmented_{which}.png"))
    difference = (found[0, :3].permute(1, 2, 0) - torch.from_numpy(published.astype(np.int32))).abs()
    assert difference.max() <= 1
    assert difference.float().mean() < 1e-4


def test_each_tower_has_its_own_normalisation_in_the_wanted_type() -> None:
    images, draws = observations()[:1], draw(3, np.arange(1), CPU)
    found = fused_look(images, draws, *on_device(PUBLISHED, CPU), torch.bfloat16)
    expected = normalise(augment(images, draws), PUBLISHED, torch.bfloat16)
    assert (found.dtype, found.shape) == (torch.bfloat16, expected.shape)
    assert (found != expected).float().mean() < 1e-4


def test_it_is_one_program_without_a_break() -> None:
    images = observations()[:, ::8, ::8].contiguous()
    draws = draw(3, np.arange(len(images)), CPU)
    assert_few_values_moved(compiled_look("aot_eager", fullgraph=True), images, draws)


@pytest.mark.slow
def test_compiled_it_is_the_same_for_real_pictures() -> None:
    images = observations()[:2]
    assert_few_values_moved(compiled_look(fullgraph=True), images, draw(3, np.arange(len(images)), CPU))
