"""The context in which a model's passes run: autocast, unless its layers bring everything to one type themselves."""

import torch

from vlatrain.model.openvla import OpenVLA


def arithmetic(vla: OpenVLA, device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Of every forward pass in `dtype`, trained or asked."""
    needs_casts = dtype is not torch.float32 and not vla.casts_itself
    return torch.autocast(device.type, dtype, enabled=needs_casts)
