"""Pictures augmented and normalised by one compiled program, which reads and writes each about twice.

Operator by operator it is a hundred passes over memory: for small models most of what a step moves beside the model.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from vlatrain.data.augment import Draws, adjust_contrast, to_hsv
from vlatrain.data.resize import CROP_AREA, crop_and_resize, to_unit

OFFSETS = (5.0, 3.0, 1.0)
"""Of red, green and blue on the circle of hues, in sixths"""


class Look(Protocol):
    """Makes of uint8 pictures [B, H, W, 3] and their draws pixel values [B, 6, H, W]."""

    def __call__(self, images: Tensor, draws: Draws, mean: Tensor, std: Tensor, dtype: torch.dtype, /) -> Tensor: ...


def compiled_look(backend: str = "inductor", *, fullgraph: bool = False) -> Look:
    """`fused_look`, compiled for each shape when it is first called."""
    look: Look = torch.compile(fused_look, backend=backend, fullgraph=fullgraph, dynamic=False)
    return look


def fused_look(images: Tensor, draws: Draws, mean: Tensor, std: Tensor, dtype: torch.dtype) -> Tensor:
    """As `augment` and `normalise` one behind the other, but for values that lie at the border of two levels.

    Saturation and hue are changed in one turn through HSV instead of two, and colours are planes of their own.
    """
    values = crop_and_resize(to_unit(images), draws.top, draws.left, math.sqrt(CROP_AREA)).clamp(0, 1)
    values = (values + draws.brightness.view(-1, 1, 1, 1)).clamp(0, 1)
    hue, saturation, value = to_hsv(adjust_contrast(values, draws.contrast).clamp(0, 1))
    hue = 6 * ((hue + draws.hue.view(-1, 1, 1)) % 1)
    saturation = (saturation * draws.saturation.view(-1, 1, 1)).clamp(0, 1)
    planes = [_levels(_colour(offset + hue, saturation, value)) for offset in OFFSETS]
    seen = [(planes[channel % 3] - mean[channel]) / std[channel] for channel in range(6)]
    return torch.stack([plane.to(dtype) for plane in seen], dim=1)


def _colour(place: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """One of the three colours of an HSV picture; `place` is where its hue stands on the circle, in sixths."""
    place = place % 6
    return value * (1 - saturation * torch.minimum(place, 4 - place).clamp(0, 1))


def _levels(plane: Tensor) -> Tensor:
    """Rounded to uint8 as TensorFlow does it, and back to 0..1."""
    return (plane * 255.5).clamp(0, 255).to(torch.uint8).float() / 255.0
