"""What the model sees of LIBERO, against what TensorFlow makes of the same observations: equal to the last bit.

The observations were recorded in libero_spatial (mujoco 2.3.7). Beside each lies what the published evaluation's own
functions (resize_image, and the centre crop of get_vla_action) made of it under TensorFlow 2.21.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from vlatrain.data.resize import evaluation_images, jpeg_pass

DATA = Path(__file__).parents[1] / "materials"


def picture(name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(DATA / f"{name}.png"))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("crop", "stage"), [(False, "resized"), (True, "cropped")])
def test_observations_are_prepared_as_published(number: int, crop: bool, stage: str) -> None:
    seen = torch.from_numpy(jpeg_pass(picture(f"libero_observation_{number}"))[None])
    ours = evaluation_images(seen, 224, crop=crop)[0].numpy()
    assert np.array_equal(ours, picture(f"libero_observation_{number}_{stage}"))


def test_the_recorded_pictures_differ_where_they_should() -> None:
    """A check of the check: without the JPEG pass they are not equal."""
    raw = torch.from_numpy(picture("libero_observation_0").copy()[None])
    assert not np.array_equal(
        evaluation_images(raw, 224, crop=False)[0].numpy(), picture("libero_observation_0_resized")
    )
