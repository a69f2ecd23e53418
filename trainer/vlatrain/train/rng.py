"""The random generators of a process: seeded, saved, put back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(seed: int, rank: int, step: int) -> None:
    """Seeds every generator; each rank, and each step at which a run is taken up, draws differently."""
    own, for_numpy = np.random.SeedSequence([seed, rank, step]).generate_state(2)
    random.seed(int(own))
    np.random.seed(int(for_numpy))
    torch.manual_seed(int(own))


def rng_state(device: torch.device) -> dict[str, Any]:
    """The state of every generator, made of tensors and plain values only."""
    numpy_state: dict[str, Any] = dict(np.random.get_state(legacy=False))
    inner = numpy_state["state"]
    return {
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": {**inner, "key": inner["key"].tolist()}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_rng_state(state: dict[str, Any], device: torch.device) -> None:
    """Puts back what `rng_state` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    inner = state["numpy"]["state"]
    np.random.set_state({**state["numpy"], "state": {**inner, "key": np.array(inner["key"], np.uint32)}})
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


@contextmanager
def preserved(device: torch.device) -> Iterator[None]:
    """What happens inside draws nothing from the generators, as seen from outside."""
    before = rng_state(device)
    try:
        yield
    finally:
        set_rng_state(before, device)
