"""Pictures to what the two vision towers expect: the two normalisations, on the device."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlatrain.errors import TrainerError
from vlatrain.model.json_files import read_json

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PixelConstants:
    """Mean and standard deviation a channel in 0..1, for the first tower and for the second."""

    means: tuple[Rgb, Rgb] = ((0.485, 0.456, 0.406), (0.5, 0.5, 0.5))
    stds: tuple[Rgb, Rgb] = ((0.229, 0.224, 0.225), (0.5, 0.5, 0.5))

    @classmethod
    def from_folder(cls, folder: Path) -> "PixelConstants":
        """Reads preprocessor_config.json; a folder without one has the published constants."""
        path = folder / "preprocessor_config.json"
        if not path.exists():
            return cls()
        raw = read_json(path)
        try:
            return cls(_two_rgb(raw["means"]), _two_rgb(raw["stds"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TrainerError(f"{path}: no means and stds of two towers and three channels: {error!r}") from error

    def to_dict(self, image_size: int) -> dict[str, Any]:
        """The content of preprocessor_config.json, in the published field names."""
        square = [image_size, image_size]
        return {
            "image_processor_type": "PrismaticImageProcessor",
            "processor_class": "PrismaticProcessor",
            "use_fused_vision_backbone": True,
            "image_resize_strategy": "resize-naive",
            "input_sizes": [[3, *square]] * 2,
            "interpolations": ["bicubic"] * 2,
            "means": self.means,
            "stds": self.stds,
            "tvf_resize_params": [{"antialias": True, "interpolation": 3, "max_size": None, "size": square}] * 2,
            "tvf_crop_params": [{"output_size": square}] * 2,
            "tvf_normalize_params": [
                {"inplace": False, "mean": mean, "std": std} for mean, std in zip(self.means, self.stds, strict=True)
            ],
            "tvf_do_letterbox": False,
            "tvf_letterbox_fill": None,
        }


PUBLISHED = PixelConstants()


def normalise(images: Tensor, constants: PixelConstants = PUBLISHED, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 pictures [B, H, W, 3] to pixel values [B, 6, H, W], three channels a tower, on the pictures' device."""
    mean, std = on_device(constants, images.device)
    pixels = images.permute(0, 3, 1, 2).float().div(255.0)
    return torch.cat((pixels, pixels), dim=1).sub_(mean).div_(std).to(dtype)


@functools.lru_cache(maxsize=16)
def on_device(constants: PixelConstants, device: torch.device) -> tuple[Tensor, Tensor]:
    """Means and deviations, [6, 1, 1] each; kept, because copying them there each step would wait for the device."""
    mean, std = (torch.tensor(values, device=device).view(6, 1, 1) for values in (constants.means, constants.stds))
    return mean, std


def _two_rgb(raw: Any) -> tuple[Rgb, Rgb]:
    (a, b, c), (d, e, f) = raw
    return (float(a), float(b), float(c)), (float(d), float(e), float(f))
