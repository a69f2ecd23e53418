"""Which decoder layers the method concerns: numbers from either end, and the halves of the last four. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlatrain.errors import ConfigError

LAST = 4


@dataclass(frozen=True, slots=True)
class Groups:
    """The last four layers in two groups; the deepest layer of each speaks for it (fewer in a shallower model)."""

    a: tuple[int, ...]
    b: tuple[int, ...]

    @classmethod
    def of(cls, n_layers: int) -> "Groups":
        last = tuple(range(max(0, n_layers - LAST), n_layers))
        return cls(last[:-2], last[-2:])

    @property
    def representatives(self) -> tuple[int, ...]:
        return tuple(group[-1] for group in (self.a, self.b) if group)

    def representative_of(self, layer: int) -> int | None:
        """Whose statistics a layer shares, None outside both groups."""
        return next((group[-1] for group in (self.a, self.b) if layer in group), None)


def numbered(layers: Sequence[int], n_layers: int, field: str) -> tuple[int, ...]:
    """The layers counted from the start, in order. Raises ConfigError for one that the model lacks, or named twice."""
    for layer in layers:
        if not -n_layers <= layer < n_layers:
            raise ConfigError(
                f"--{field} {layer}: the model has {n_layers} layers, -{n_layers} to {n_layers - 1}", field
            )
    positive = sorted(layer % n_layers for layer in layers)
    if len(set(positive)) < len(positive):
        raise ConfigError(f"--{field} {list(layers)}: names a layer from both ends", field)
    return tuple(positive)
