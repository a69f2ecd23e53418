"""Pixels as the towers expect them."""

import json
from pathlib import Path

import pytest
import torch
from vlatrain.errors import TrainerError
from vlatrain.model.images import PUBLISHED, PixelConstants, normalise


def test_each_tower_gets_its_own_normalisation_of_the_same_picture() -> None:
    images = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    pixels = normalise(images)
    assert pixels.shape == (2, 6, 4, 5)
    for channel, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225), *[(0.5, 0.5)] * 3]):
        expected = (images[..., channel % 3].double() / 255 - mean) / std
        torch.testing.assert_close(pixels[:, channel].double(), expected, rtol=0, atol=1e-6)


def test_the_dtype_asked_for_comes_out() -> None:
    assert normalise(torch.zeros(1, 2, 2, 3, dtype=torch.uint8), dtype=torch.bfloat16).dtype == torch.bfloat16


def test_constants_survive_the_published_file_form(tmp_path: Path) -> None:
    own = PixelConstants(((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)), ((0.7, 0.8, 0.9), (1.0, 1.1, 1.2)))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(own.to_dict(224)))
    assert PixelConstants.from_folder(tmp_path) == own


def test_a_folder_without_the_file_has_the_published_constants(tmp_path: Path) -> None:
    assert PixelConstants.from_folder(tmp_path) == PUBLISHED


def test_constants_of_one_tower_only_are_refused(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"means": [[0, 0, 0]], "stds": [[1, 1, 1]]}))
    with pytest.raises(TrainerError, match="preprocessor_config"):
        PixelConstants.from_folder(tmp_path)
