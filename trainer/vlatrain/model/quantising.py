"""The decoder's frozen weights in 4 bits (nf4), through the optional package bitsandbytes."""

from typing import Any

import torch
from torch import nn

from vlatrain.errors import ConfigError
from vlatrain.model.openvla import OpenVLA


def quantise(vla: OpenVLA, device: torch.device, dtype: torch.dtype) -> None:
    """Replaces the matrices of the decoder's layers, in place, one after the other on their way to the device.

    Products are computed in `dtype`. Head, embedding, projector and towers stay as they are. Raises ConfigError where
    bitsandbytes is not installed.
    """
    kinds = _kinds()
    layers = vla.language_model.model.layers
    names = [name for name, module in layers.named_modules() if isinstance(module, nn.Linear)]
    for name in names:  # by name: whoever held the modules would keep all of their weights until the end
        matrix = layers.get_submodule(name)
        assert isinstance(matrix, nn.Linear)
        layers.set_submodule(name, _quantised(kinds, matrix, device, dtype))
    vla.__dict__["is_loaded_in_4bit"] = True  # PEFT looks at it to choose its adapters' kind


def _kinds() -> Any:
    try:
        from bitsandbytes import nn as quantised_nn  # optional: two seconds to import, and 120 MB
    except ImportError as error:
        raise ConfigError(
            f"--use_quantization true needs bitsandbytes ({error}): pip install 'vlatui[quantize]'", "use_quantization"
        ) from error
    return quantised_nn


def _quantised(kinds: Any, matrix: nn.Linear, device: torch.device, dtype: torch.dtype) -> nn.Module:
    made: nn.Module = kinds.Linear4bit(
        matrix.in_features,
        matrix.out_features,
        bias=False,
        compute_dtype=dtype,
        compress_statistics=True,
        quant_type="nf4",
        device="meta",
    )
    weight = matrix.weight.data.to(dtype)
    made.weight = kinds.Params4bit(weight, requires_grad=False, compress_statistics=True, quant_type="nf4", module=made)
    return made.to(device)
