"""Pictures from a camera to the size that a model sees, as the published pipelines do it; all uint8 [B,H,W,3].

Training: stored JPEG, Lanczos resize, augmentation. Evaluation: JPEG pass, Lanczos resize, centre crop.
Sources: dlimp's resize_image, openvla's experiments/robot/{libero/libero_utils,openvla_utils}.py, and TensorFlow's
scale_and_translate and crop_and_resize.
"""

import io
import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

LANCZOS_RADIUS = 3
CROP_AREA = 0.9
JPEG_QUALITY = 95


def jpeg_pass(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image [H,W,3] as a data set would have stored it: JPEG at TensorFlow's default quality, decoded again."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(stream))


def resize(images: Tensor, size: int) -> Tensor:
    """Lanczos3 with anti-aliasing to `size` x `size`, rounded; unchanged where the size is right already."""
    if images.shape[1:3] == (size, size):
        return images
    values = _resample(_resample(images.float(), 1, size), 2, size)
    return values.round().clamp(0, 255).to(torch.uint8)


def _resample(values: Tensor, axis: int, size: int) -> Tensor:
    """A weighted sum of taps, in fp32 on every device: a matrix product would fall to TF32 where that is allowed."""
    places, weights = _taps_on(values.shape[axis], size, values.device)
    shape = [1, 1, 1, 1]
    shape[axis] = size
    total = torch.zeros_like(values.narrow(axis, 0, 1)).expand([*values.shape[:axis], size, *values.shape[axis + 1 :]])
    for tap, weight in zip(places, weights, strict=True):
        total = total + values.index_select(axis, tap) * weight.view(shape)
    return total


@lru_cache(maxsize=32)
def _taps_on(size_in: int, size_out: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both [taps, size_out]; kept, because copying them there for each batch would wait for the device."""
    places, weights = lanczos_taps(size_in, size_out)
    taps, shares = (torch.tensor(np.ascontiguousarray(one.T), device=device) for one in (places, weights))
    return taps, shares


def lanczos_taps(size_in: int, size_out: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each output place its input places and weights, both [size_out, taps]; weights sum to 1."""
    scale = size_in / size_out
    widened = max(scale, 1.0)
    middles = (np.arange(size_out) + 0.5) * scale
    first = np.ceil(middles - LANCZOS_RADIUS * widened - 0.5).astype(np.int64)
    places = first[:, None] + np.arange(math.ceil(2 * LANCZOS_RADIUS * widened) + 1)
    distance = np.abs(places + 0.5 - middles[:, None]) / widened
    weights = np.sinc(distance) * np.sinc(distance / LANCZOS_RADIUS)
    weights[(distance > LANCZOS_RADIUS) | (places < 0) | (places >= size_in)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return places.clip(0, size_in - 1), weights.astype(np.float32)


def crop_and_resize(values: Tensor, top: Tensor, left: Tensor, side: float) -> Tensor:
    """Cuts a window out of each picture and stretches it back, bilinearly, corner pixel to corner pixel.

    `values` float [B,H,W,3]; `top` and `left` [B] and `side` are parts of the picture's height and width.
    """
    height, width = values.shape[1:3]
    rows = 2 * (top[:, None] + side * torch.linspace(0, 1, height, device=values.device)) - 1
    columns = 2 * (left[:, None] + side * torch.linspace(0, 1, width, device=values.device)) - 1
    shape = (len(values), height, width)
    grid = torch.stack([columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], dim=-1)
    planes = F.grid_sample(values.permute(0, 3, 1, 2), grid, "bilinear", "border", align_corners=True)
    return planes.permute(0, 2, 3, 1)


def centre_crop(images: Tensor) -> Tensor:
    """The middle 90 % of the area, stretched back: what a policy trained with random crops is evaluated on."""
    side = math.sqrt(CROP_AREA)
    start = torch.full((len(images),), (1 - side) / 2, device=images.device)
    return to_bytes(crop_and_resize(to_unit(images), start, start, side).clamp(0, 1))


def to_unit(images: Tensor) -> Tensor:
    """uint8 to float 0..1."""
    return images.float() / 255


def to_bytes(values: Tensor) -> Tensor:
    """Float 0..1 to uint8 as TensorFlow's convert_image_dtype: scaled by 255.5 and cut off."""
    return (values * 255.5).clamp(0, 255).to(torch.uint8)


def evaluation_images(images: Tensor, size: int, *, crop: bool) -> Tensor:
    """Camera pictures (after the JPEG pass) as the model is to see them."""
    resized = resize(images, size)
    return centre_crop(resized) if crop else resized
