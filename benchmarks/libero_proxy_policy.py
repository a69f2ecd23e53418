"""What a policy without memory sees of a LIBERO scene instead of a picture, how wrongly, and what it answers.

Numpy only: the simulators' Python imports it too.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
OBJECTS = (
    "akita_black_bowl_1",
    "akita_black_bowl_2",
    "cookies_1",
    "glazed_rim_porcelain_ramekin_1",
    "plate_1",
    "wooden_cabinet_1",
    "flat_stove_1",
)
"""Of libero_spatial; after them the cabinet's top drawer."""
BOWL, PLATE = 0, 4
BODIES = len(OBJECTS) + 1
HAND, YAW, TILT, OPENING, BOWL_TILT, PLACES = slice(0, 3), 3, slice(4, 6), 6, slice(7, 9), slice(9, 9 + 3 * BODIES)
SEEN = 9 + 3 * BODIES
"""Numbers seen: places and the fingers' opening in metres, yaw in radians, tilts as parts of a unit vector."""
TASKS, BINS = 10, 64
MIDDLE = np.array([0.0, 0.0, 1.0])


def errors(noise_m: float) -> Vector:
    """Standard deviations [SEEN] of what is seen: half a degree of yaw and 0.35 of tilt a millimetre."""
    found = np.full(SEEN, noise_m)
    found[YAW] = np.radians(500 * noise_m)
    found[TILT] = found[BOWL_TILT] = np.radians(350 * noise_m)
    found[OPENING] = 0.6 * noise_m
    return found


def features(seen: Vector, tasks: NDArray[np.int64]) -> NDArray[np.float32]:
    """Inputs [N, F] of the policy from what is seen [N, SEEN] in these tasks [N]."""
    hand, places = seen[:, HAND], seen[:, PLACES].reshape(len(seen), BODIES, 3)
    bowl, plate = places[:, BOWL] - hand, places[:, PLATE] - hand
    opening, yaw = seen[:, OPENING, None], seen[:, YAW, None]
    parts = [
        (hand - MIDDLE) / 0.15,
        np.cos(yaw),
        np.sin(yaw),
        seen[:, TILT] * 5,
        (opening - 0.04) / 0.03,
        np.tanh((opening - 0.01) / 0.01),
        seen[:, BOWL_TILT] * 5,
        (places - MIDDLE).reshape(len(seen), -1) / 0.15,
        (places - hand[:, None]).reshape(len(seen), -1) / 0.15,
        np.tanh(bowl / 0.03),
        np.tanh(bowl / 0.1),
        np.tanh(plate / 0.03),
        np.tanh((plate - bowl) / 0.03),
        np.eye(TASKS)[tasks],
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


class Policy:
    """The bins of the next `chunk` actions, most likely ones, from a file that libero_proxy.py trained."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as kept:
            count = sum(name.startswith("layer") for name in kept.files)
            self._layers = [kept[f"layer{number}"] for number in range(count)]
            self._low, self._high = kept["low"], kept["high"]
        self._centres = np.linspace(-1, 1, BINS)

    def __call__(self, seen: Vector, task: int) -> Vector:
        """Actions [chunk, 7] of one scene as seen [SEEN]."""
        found = features(seen[None], np.array([task]))[0]
        for weight, bias in zip(self._layers[:-2:2], self._layers[1:-2:2], strict=True):
            found = found @ weight.T + bias
            found = found / (1 + np.exp(-found))
        bins = (found @ self._layers[-2].T + self._layers[-1]).reshape(-1, 7, BINS)
        actions: Vector = (self._centres[bins.argmax(-1)] + 1) / 2 * (self._high - self._low) + self._low
        actions[:, 6] = np.where(actions[:, 6] > 0, 1.0, -1.0)
        return actions
