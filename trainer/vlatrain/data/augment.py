"""Augmentation on the device, with the published ranges and order; each sample's draws follow from its global position.

Random crop of 90 % of the area, brightness, contrast, saturation, hue, clipped after each, as openvla has dlimp do it.
One difference: dlimp draws a crop's row and column from one seed, so its crops lie on the diagonal; here they are free.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlatrain.data.philox import philox
from vlatrain.data.resize import CROP_AREA, crop_and_resize, to_bytes, to_unit

BRIGHTNESS = 0.2
CONTRAST = 0.2
SATURATION = 0.2
HUE = 0.05
STREAM = 1 << 63
"""Keeps these draws apart from those of the order, which use the epoch as second key."""
LUMA_AXES = (1, 2)


class Draws(NamedTuple):
    """What happens to each of B pictures; fp32 [B] each."""

    top: Tensor
    left: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor


def draw(seed: int, positions: NDArray[np.int64], device: torch.device, picture: int = 0) -> Draws:
    """The draws of the samples at these global positions: a function of seed, position and picture alone."""
    raw = philox((seed, STREAM), positions.astype(np.uint64), picture, len(Draws._fields))
    unit = torch.from_numpy(((raw >> np.uint64(40)) / np.float64(1 << 24)).astype(np.float32)).to(device)
    top, left, brightness, contrast, saturation, hue = unit.unbind(1)
    room = 1 - math.sqrt(CROP_AREA)
    return Draws(
        top=top * room,
        left=left * room,
        brightness=(2 * brightness - 1) * BRIGHTNESS,
        contrast=1 + (2 * contrast - 1) * CONTRAST,
        saturation=1 + (2 * saturation - 1) * SATURATION,
        hue=(2 * hue - 1) * HUE,
    )


def augment(images: Tensor, draws: Draws) -> Tensor:
    """Augmented pictures, uint8 [B,H,W,3] to the same."""
    values = crop_and_resize(to_unit(images), draws.top, draws.left, math.sqrt(CROP_AREA)).clamp(0, 1)
    values = (values + _per_picture(draws.brightness)).clamp(0, 1)
    values = adjust_contrast(values, draws.contrast).clamp(0, 1)
    values = adjust_saturation(values, draws.saturation).clamp(0, 1)
    values = adjust_hue(values, draws.hue).clamp(0, 1)
    return to_bytes(values)


def _per_picture(numbers: Tensor) -> Tensor:
    return numbers.view(-1, 1, 1, 1)


def adjust_contrast(values: Tensor, factors: Tensor) -> Tensor:
    """Distances from each channel's mean over the picture, times `factors` [B]."""
    mean = values.mean(LUMA_AXES, keepdim=True)
    return (values - mean) * _per_picture(factors) + mean


def adjust_saturation(values: Tensor, factors: Tensor) -> Tensor:
    """HSV saturation times `factors` [B], at most 1. Values 0..1 [B,H,W,3]."""
    hue, saturation, value = to_hsv(values)
    return from_hsv(hue, (saturation * factors.view(-1, 1, 1)).clamp(0, 1), value)


def adjust_hue(values: Tensor, turns: Tensor) -> Tensor:
    """HSV hue turned by `turns` [B], in whole circles."""
    hue, saturation, value = to_hsv(values)
    return from_hsv(hue + turns.view(-1, 1, 1), saturation, value)


def to_hsv(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (0..1), saturation and value, each [B,H,W]; grey has hue 0."""
    red, green, blue = values.unbind(-1)
    most, least = values.amax(-1), values.amin(-1)
    spread = most - least
    safe = torch.where(spread > 0, spread, 1)
    hue = torch.where(
        red == most,
        (green - blue) / safe,
        torch.where(green == most, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    saturation = torch.where(most > 0, spread / torch.where(most > 0, most, 1), 0)
    return torch.where(spread > 0, (hue / 6) % 1, 0), saturation, most


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Back to RGB [B,H,W,3]; any hue, whole circles ignored."""
    offsets = torch.arange(5.0, 0.0, -2.0, device=hue.device)
    place = (offsets + 6 * (hue % 1).unsqueeze(-1)) % 6
    dip = torch.minimum(place, 4 - place).clamp(0, 1)
    return value.unsqueeze(-1) * (1 - saturation.unsqueeze(-1) * dip)
