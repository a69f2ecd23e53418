"""A running mean of the trained weights: what is evaluated and saved, while training goes on from the weights."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

WARM_UP = 10


def decay_at(step: int, decay: float) -> float:
    """How much of the mean the update that follows `step` finished ones keeps: less at first, when weights move far.

    Source: the `num_updates` rule of TensorFlow's ExponentialMovingAverage.
    """
    return min(decay, (1 + step) / (WARM_UP + step))


@dataclass(slots=True)
class Ema:
    """The means of `weights`, in their order and types."""

    weights: Sequence[Tensor]
    means: list[Tensor]
    decay: float

    @classmethod
    def of(cls, weights: Sequence[Tensor], decay: float) -> "Ema":
        """Begins at the weights as they are."""
        return cls(weights, [one.detach().clone() for one in weights], decay)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """After the update that follows `step` finished ones."""
        torch._foreach_lerp_(self.means, list(self.weights), 1 - decay_at(step, self.decay))

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """The model has the means as its weights meanwhile; tensors stay where they are, for captured graphs."""
        kept = [one.detach().clone() for one in self.weights]
        _put(self.weights, self.means)
        try:
            yield
        finally:
            _put(self.weights, kept)

    def instead_of_weights(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same tensors, but a mean where one is a trained weight."""
        means = {one.data_ptr(): mean for one, mean in zip(self.weights, self.means, strict=True)}
        return {name: means.get(tensor.data_ptr(), tensor) for name, tensor in tensors.items()}

    def restore(self, weights: Sequence[Tensor]) -> None:
        """The model was loaded with the means, as they are saved: they go here, and `weights` into the model."""
        _put(self.means, self.weights)
        _put(self.weights, weights)


@torch.no_grad()
def _put(places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for place, value in zip(places, values, strict=True):
        place.copy_(value)
