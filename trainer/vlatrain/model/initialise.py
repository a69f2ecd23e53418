"""Seeded weights for a model that is trained from nothing, such as the tiny base."""

import torch
from torch import Tensor, nn

TOKEN_STD = 0.02


def initialise(model: nn.Module, seed: int) -> None:
    """Fills every parameter in place: matrices normal with std 1/sqrt(inputs), tokens 0.02, norms one, biases zero.

    The same seed gives the same weights on every machine: numbers are drawn on the CPU in the order of the names.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.copy_(_fresh(name, parameter, generator))


def _fresh(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    kind = name.rpartition(".")[2]
    if kind == "bias":
        return torch.zeros(parameter.shape)
    if kind in ("weight", "scale_factor") and parameter.dim() == 1:
        return torch.ones(parameter.shape)
    std = TOKEN_STD if kind != "weight" or "embed_tokens" in name else parameter[0].numel() ** -0.5
    return nn.init.normal_(torch.empty(parameter.shape), std=std, generator=generator)
