"""A small model with random weights: what it begins with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.config import TowerConfig
from vlatrain.model.initialise import initialise, position_encodings
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.vit import ConvolutionalStem, PatchEmbedding, VisionTransformer
from vlatrain.sim.episode import Episode
from vlatrain.tools.cli import main

SMALL = ["--width", "64", "--depth", "1", "--vision-width", "64", "--vision-depth", "1", "--image-size", "64"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pictures = np.zeros((2, 16, 16, 3), np.uint8)
    episode = Episode(task="made", instruction="push the button", images=pictures, actions=np.zeros((2, 7), np.float32))
    return write_rlds(tmp_path / "datasets", "libero_made", [episode], 1)


def made(data: Path, *words: str) -> OpenVLA:
    out = data.parent / "-".join(("base", *words))
    assert main(["fresh", "--data", str(data), "--out", str(out), *SMALL, *words]) == 0
    return load_base(out)


def towers(model: OpenVLA) -> list[VisionTransformer]:
    return [model.vision_backbone.featurizer, model.vision_backbone.fused_featurizer]


def test_positions_begin_as_sines_and_cosines_and_are_learned(data: Path) -> None:
    for tower in towers(made(data)):
        assert torch.equal(tower.pos_embed, position_encodings(4, 64))
        assert tower.pos_embed.requires_grad


@pytest.mark.parametrize(("rows", "width"), [(14, 256), (4, 64)])
def test_position_encodings_have_unit_scale_and_are_most_like_those_of_neighbours(rows: int, width: int) -> None:
    encodings = position_encodings(rows, width)[0]
    torch.testing.assert_close(encodings.square().mean(1), torch.ones(rows * rows))
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(rows)).float()
    distances = torch.cdist(places, places)
    likeness = (encodings @ encodings.T).fill_diagonal_(-torch.inf)
    nearest = distances.gather(1, likeness.argmax(1, keepdim=True))
    assert torch.equal(nearest, torch.ones_like(nearest))


def test_rows_and_columns_are_told_by_channels_of_their_own() -> None:
    encodings = position_encodings(3, 8).view(3, 3, 8)
    assert torch.equal(encodings[1, :, :4], encodings[1, :1, :4].expand(3, -1))
    assert torch.equal(encodings[:, 1, 4:], encodings[:1, 1, 4:].expand(3, -1))
    assert not torch.equal(encodings[1, 0, :4], encodings[2, 0, :4])
    assert not torch.equal(encodings[0, 1, 4:], encodings[0, 2, 4:])


def test_patches_are_embedded_by_a_product_or_where_asked_for_by_convolutions(data: Path) -> None:
    assert all(isinstance(tower.patch_embed, PatchEmbedding) for tower in towers(made(data)))
    stemmed = made(data, "--stem", "conv")
    assert all(isinstance(tower.patch_embed, ConvolutionalStem) for tower in towers(stemmed))
    assert stemmed.config.featurizer.stem_widths == stemmed.config.fused_featurizer.stem_widths == (16, 32, 64, 128)


def stem_of(size: int) -> ConvolutionalStem:
    tower = TowerConfig(image_size=size, patch_size=8, width=16, depth=2, heads=2, mlp_width=32, stem_widths=(4, 8, 8))
    stem = ConvolutionalStem(tower)
    initialise(stem, 1)
    return stem


def changed(stem: ConvolutionalStem, row: int, column: int) -> Tensor:
    """Which patches [rows, columns] feel a pixel in the middle of one of them."""
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    before = stem(pixels)
    pixels[..., row * 8 + 4, column * 8 + 4] += 3
    after: Tensor = stem(pixels)
    felt: Tensor = (after != before).any(2)
    return felt.view(8, 8)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (7, 1), (6, 7)])
def test_a_stem_gives_a_token_a_patch_row_by_row_which_sees_it_and_its_neighbours(row: int, column: int) -> None:
    felt = changed(stem_of(64), row, column)
    assert felt[row, column]
    rows, columns = felt.nonzero().T
    assert (rows - row).abs().max() <= 1
    assert (columns - column).abs().max() <= 1


def test_a_stem_under_autocast_is_near_the_exact_one_in_training_and_evaluation() -> None:
    stem = stem_of(64)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    exact = stem(pixels)
    assert torch.equal(stem.eval()(pixels), exact)
    with torch.autocast("cpu", torch.bfloat16):
        found = stem(pixels)
    assert found.shape == (2, 64, 16)
    assert 0 < (found.float() - exact).norm() < 0.02 * exact.norm()
