"""What the model sees of LIBERO, against what TensorFlow makes of the same observations.

Evaluation is equal to the last bit; of an augmented picture one value in 10,000 may be one level (of 255) off.
materials/make_pictures.py says how the expected pictures were made.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from vlatrain.data.augment import Draws, augment
from vlatrain.data.jpeg import jpeg_pass
from vlatrain.data.resize import evaluation_images

DATA = Path(__file__).parents[1] / "materials"
DRAWS = runpy.run_path(str(DATA / "make_pictures.py"))["DRAWS"]


def picture(name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(DATA / f"{name}.png"))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("crop", "stage"), [(False, "resized"), (True, "cropped")])
def test_observations_are_prepared_as_published(number: int, crop: bool, stage: str) -> None:
    seen = torch.from_numpy(jpeg_pass(picture(f"libero_observation_{number}"))[None])
    ours = evaluation_images(seen, 224, crop=crop)[0].numpy()
    assert np.array_equal(ours, picture(f"libero_observation_{number}_{stage}"))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("draw", range(len(DRAWS)))
def test_pictures_are_augmented_as_published(number: int, draw: int) -> None:
    small = torch.from_numpy(picture(f"libero_observation_{number}_resized").copy())[None]
    ours = augment(small, Draws(*(torch.tensor([one]) for one in DRAWS[draw])))[0].numpy()
    expected = picture(f"libero_observation_{number}_augmented_{draw}")
    difference = np.abs(ours.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4
    assert np.abs(small[0].numpy().astype(int) - expected).mean() > 5


def test_the_recorded_pictures_differ_where_they_should() -> None:
    """A check of the check: without the JPEG pass they are not equal."""
    raw = torch.from_numpy(picture("libero_observation_0").copy()[None])
    assert not np.array_equal(
        evaluation_images(raw, 224, crop=False)[0].numpy(), picture("libero_observation_0_resized")
    )
