"""Directions in which pooled states spread, and which of them are fragile, plastic, or neither."""

import torch
from torch import Tensor

from vlatrain.errors import ConfigError, TrainerError
from vlatrain.method.hsw import Subspace


def directions(states: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Right singular vectors of the centred states [n, D] as columns [D, r], and their singular values [r], in fp32.

    At most `rank`, and only those along which the states spread at all. Each points so that its largest number is
    positive, because a step along it and one against it do not have quite the same effect.
    """
    centred = states.float() - states.float().mean(0)
    _, values, rows = torch.linalg.svd(centred, full_matrices=False)
    floor = values.max() * max(centred.shape) * torch.finfo(torch.float32).eps
    count = min(rank, int((values > floor).sum()))
    if count < 2:
        raise TrainerError(f"the states of {len(states)} probe samples spread in {count} directions: too few to split")
    rows = rows[:count]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return (rows * largest.sign()).T.contiguous(), values[:count]


def split(basis: Tensor, sensitivities: Tensor, n_fragile: int | None = None, n_plastic: int | None = None) -> Subspace:
    """The most sensitive columns of `basis` [D, r] as fragile, the least sensitive ones as plastic.

    Unless told otherwise half of them and a quarter. Equal sensitivities keep the order of the columns. Raises
    ConfigError where the two would overlap.
    """
    r = basis.shape[1]
    n_fragile, n_plastic = n_fragile or max(1, r // 2), n_plastic or max(1, r // 4)
    if n_fragile + n_plastic > r:
        told = f"--icsm_fragile_dim {n_fragile} and --icsm_plastic_dim {n_plastic}"
        raise ConfigError(f"{told}: only {r} directions are there", "icsm_fragile_dim", "icsm_plastic_dim")
    order = torch.argsort(sensitivities, descending=True, stable=True)
    return Subspace(basis[:, order[:n_fragile]], basis[:, order[r - n_plastic :]])
