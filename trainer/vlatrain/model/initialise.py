"""Seeded weights for a model that is trained from nothing, such as the tiny base."""

import math

import torch
from torch import Tensor, nn

TOKEN_STD = 0.02
LONGEST_WAVE = 10000.0  # of the position encodings, in patches, over 2 pi


def initialise(model: nn.Module, seed: int) -> None:
    """Fills every parameter in place: matrices normal with std 1/sqrt(inputs), tokens 0.02, norms one, biases zero.

    The same seed gives the same weights on every machine: numbers are drawn on the CPU in the order of the names.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.copy_(_fresh(name, parameter, generator))


def position_encodings(rows: int, width: int) -> Tensor:
    """Sines and cosines of the row and the column of `rows` x `rows` patches: [1, rows * rows, width], mean square 1.

    For towers that learn from nothing: places can be told apart from the first step on, and encodings are learned on.
    The first half of the channels tells the row, the second the column, as in MAE (He et al. 2021).
    """
    assert width % 4 == 0, "sines and cosines of two coordinates"
    waves = LONGEST_WAVE ** -(torch.arange(width // 4, dtype=torch.float64) * 4 / width)
    angles = torch.arange(rows)[:, None] * waves
    lines = math.sqrt(2) * torch.cat((angles.sin(), angles.cos()), dim=1)
    row, column = lines[:, None].expand(-1, rows, -1), lines[None].expand(rows, -1, -1)
    return torch.cat((row, column), dim=2).reshape(1, rows * rows, width).float()


def _fresh(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    kind = name.rpartition(".")[2]
    if kind == "bias":
        return torch.zeros(parameter.shape)
    if kind in ("weight", "scale_factor") and parameter.dim() == 1:
        return torch.ones(parameter.shape)
    std = TOKEN_STD if kind != "weight" or "embed_tokens" in name else parameter[0].numel() ** -0.5
    return nn.init.normal_(torch.empty(parameter.shape), std=std, generator=generator)
