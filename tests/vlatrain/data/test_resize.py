"""Pictures resized and cropped as published; Pillow's own Lanczos and plain loops are the oracles."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from vlatrain.data.jpeg import jpeg_pass
from vlatrain.data.resize import (
    centre_crop,
    crop_and_resize,
    evaluation_images,
    lanczos_taps,
    resize,
    to_bytes,
    to_unit,
)


def picture(height: int = 40, width: int = 56, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth areas, edges and noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([rows * 255 / height, columns * 255 / width, (rows + columns) % 256], axis=-1)
    smooth[height // 4 : height // 2, width // 4 : width // 2] = (250, 20, 90)
    return (smooth + rng.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)


def batch(*pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures))


def pillow_lanczos(image: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """In 32-bit floats: Pillow's 8-bit path rounds between the two passes."""
    planes = [Image.fromarray(image[..., channel].astype(np.float32)) for channel in range(3)]
    return np.stack([np.asarray(plane.resize((size, size), Image.Resampling.LANCZOS)) for plane in planes], axis=-1)


@pytest.mark.parametrize(("height", "width", "size"), [(256, 256, 224), (40, 56, 28), (40, 56, 33), (20, 31, 48)])
def test_lanczos_agrees_with_pillow(height: int, width: int, size: int) -> None:
    image = picture(height, width)
    expected = pillow_lanczos(image, size).round().clip(0, 255)
    difference = np.abs(resize(batch(image), size)[0].numpy().astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002  # ties of rounding


def test_pictures_of_the_right_size_are_left_alone() -> None:
    images = batch(picture(28, 28))
    assert resize(images, 28) is images


@pytest.mark.parametrize(("size_in", "size_out"), [(256, 224), (48, 28), (28, 48), (5, 5), (480, 224), (1, 3)])
def test_taps_stay_inside_and_weigh_one(size_in: int, size_out: int) -> None:
    places, weights = lanczos_taps(size_in, size_out)
    assert places.min() >= 0
    assert places.max() < size_in
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)


def crop_by_loops(image: NDArray[np.uint8], top: float, left: float, side: float) -> NDArray[np.float64]:
    """TensorFlow's crop_and_resize to the picture's own size, one pixel at a time."""
    height, width, _ = image.shape
    result = np.zeros(image.shape)
    for row in range(height):
        y = top * (height - 1) + row * side * (height - 1) / (height - 1)
        for column in range(width):
            x = left * (width - 1) + column * side * (width - 1) / (width - 1)
            y0, x0 = math.floor(y), math.floor(x)
            y1, x1 = math.ceil(y), math.ceil(x)
            upper = image[y0, x0] * (1 - (x - x0)) + image[y0, x1] * (x - x0)
            lower = image[y1, x0] * (1 - (x - x0)) + image[y1, x1] * (x - x0)
            result[row, column] = upper * (1 - (y - y0)) + lower * (y - y0)
    return result / 255


def test_a_window_is_stretched_corner_to_corner() -> None:
    images = [picture(seed=seed) for seed in range(3)]
    windows = [(0.0, 0.0), (0.03, 0.0507), (1 - math.sqrt(0.9), 0.01)]
    side = math.sqrt(0.9)
    tops, lefts = (torch.tensor(numbers) for numbers in zip(*windows, strict=True))
    cropped = crop_and_resize(to_unit(batch(*images)), tops, lefts, side)
    for result, image, window in zip(cropped, images, windows, strict=True):
        np.testing.assert_allclose(result.numpy(), crop_by_loops(image, *window, side), atol=2e-5)


def test_the_centre_crop_keeps_nine_tenths_of_the_area() -> None:
    image, side = picture(), math.sqrt(0.9)
    start = (1 - side) / 2
    expected = np.floor(crop_by_loops(image, start, start, side) * 255.5)
    difference = np.abs(centre_crop(batch(image))[0].numpy().astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002


def test_every_byte_survives_the_way_to_unit_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_unit(values)), values)


def test_a_jpeg_pass_is_what_storing_would_have_done() -> None:
    image = picture(48, 48)
    passed = jpeg_pass(image)
    assert passed.shape == image.shape
    assert 0 < np.abs(passed.astype(int) - image).mean() < 8
    assert np.array_equal(jpeg_pass(image), passed)


@pytest.mark.parametrize("crop", [False, True])
def test_the_evaluation_chain_resizes_then_crops(crop: bool) -> None:
    images = batch(picture(), picture(seed=1))
    resized = resize(images, 28)
    assert torch.equal(evaluation_images(images, 28, crop=crop), centre_crop(resized) if crop else resized)
    assert torch.equal(evaluation_images(images[1:], 28, crop=crop)[0], evaluation_images(images, 28, crop=crop)[1])
