"""Pictures from a camera to the size that a model sees, as the published pipelines do it; all uint8 [B,H,W,3].

Training: stored JPEG, Lanczos resize, augmentation. Evaluation: JPEG pass, Lanczos resize, centre crop.
Sources: dlimp's resize_image, openvla's experiments/robot/{libero/libero_utils,openvla_utils}.py, and TensorFlow's
scale_and_translate and crop_and_resize.
"""

import ctypes
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

LANCZOS_RADIUS = 3
CROP_AREA = 0.9


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
    """For each output place its input places and weights, both [size_out, taps]; weights sum to 1.

    Operation by operation in fp32 as TensorFlow's ComputeSpansCore, so that results are equal to the last bit.
    """
    inverse = np.float32(1) / (np.float32(size_out) / np.float32(size_in))
    widened = max(inverse, np.float32(1))
    half, narrowed = np.float32(LANCZOS_RADIUS) * widened, np.float32(1) / widened
    middles = (np.arange(size_out, dtype=np.float32) + np.float32(0.5)) * inverse
    first = np.maximum(0, np.ceil(middles - half - np.float32(0.5)).astype(np.int64))
    last = np.minimum(size_in - 1, np.floor(middles + half - np.float32(0.5)).astype(np.int64))
    places = first[:, None] + np.arange(int((last - first).max()) + 1)
    weights = _lanczos((places.astype(np.float32) + np.float32(0.5) - middles[:, None]) * narrowed)
    weights[places > last[:, None]] = 0
    total = np.zeros(size_out, np.float32)
    for tap in weights.T:  # one after the other: numpy's sum adds in pairs
        total = total + tap
    return places.clip(0, size_in - 1), weights * (np.float32(1) / total)[:, None]


def _lanczos(offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """The kernel, in fp32 with the C library's sine."""
    pi, radius = np.float32(3.14159265359), np.float32(LANCZOS_RADIUS)
    x = np.abs(offsets)
    safe = np.where(x > np.float32(1e-3), x, np.float32(1))
    value = radius * _sine(pi * safe) * _sine(pi * safe / radius) / (pi * pi * safe * safe)
    return np.where(x > radius, np.float32(0), np.where(x > np.float32(1e-3), value, np.float32(1)))


def _sine(angles: NDArray[np.float32]) -> NDArray[np.float32]:
    sine = ctypes.CDLL(None).sinf
    sine.restype, sine.argtypes = ctypes.c_float, [ctypes.c_float]
    return np.array([sine(float(angle)) for angle in angles.flat], np.float32).reshape(angles.shape)


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
    """The middle 90 % of the area, stretched back: what a policy trained with random crops is evaluated on.

    Operation by operation in fp32 as TensorFlow's crop_and_resize, so that results are equal to the last bit.
    """
    values = to_unit(images)
    top, bottom, share_down = _centre_lines(images.shape[1], images.device)
    left, right, share_across = _centre_lines(images.shape[2], images.device)
    down, across = share_down.view(-1, 1, 1), share_across.view(1, -1, 1)
    upper = _between(values[:, top][:, :, left], values[:, top][:, :, right], across)
    lower = _between(values[:, bottom][:, :, left], values[:, bottom][:, :, right], across)
    return to_bytes(_between(upper, lower, down).clamp(0, 1))


def _between(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return one + (other - one) * share


@lru_cache(maxsize=32)
def _centre_lines(size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each output line the two input lines that it lies between, and the share of the second."""
    side = np.sqrt(np.float32(CROP_AREA))
    start = (np.float32(1) - side) / np.float32(2)
    step = ((start + side) - start) * np.float32(size - 1) / np.float32(max(1, size - 1))
    lines = start * np.float32(size - 1) + np.arange(size, dtype=np.float32) * step
    first = np.floor(lines)
    found = (first.astype(np.int64), np.ceil(lines).astype(np.int64), lines - first)
    one, other, share = (torch.from_numpy(part).to(device) for part in found)
    return one, other, share


def to_unit(images: Tensor) -> Tensor:
    """uint8 to float 0..1 as TensorFlow's convert_image_dtype."""
    return images.float() * (1 / 255)


def to_bytes(values: Tensor) -> Tensor:
    """Float 0..1 to uint8 as TensorFlow's convert_image_dtype: scaled by 255.5 and cut off."""
    return (values * 255.5).clamp(0, 255).to(torch.uint8)


def evaluation_images(images: Tensor, size: int, *, crop: bool) -> Tensor:
    """Camera pictures (after the JPEG pass) as the model is to see them."""
    resized = resize(images, size)
    return centre_crop(resized) if crop else resized
