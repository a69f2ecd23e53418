"""What lies on the embedded simulator's table, as values, and how a fresh table is laid.

Metres and radians. x points right, y away from the camera, z up; the table is a square with one corner at the origin.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FINGER_REACH = 0.04  # from the middle to a finger of the open hand
TABLE = 0.4
BLOCK_SIDE = 0.04
BOWL_RADIUS = 0.05
BOWL_HEIGHT = 0.02
MARGIN = 0.05
TRAVEL_HEIGHT = 0.11
_ATTEMPTS = 200


class Block(NamedTuple):
    """A cube; (x, y) is its middle, z its underside."""

    colour: str
    x: float
    y: float
    z: float = 0.0


class Bowl(NamedTuple):
    """A round shallow dish that stays where it is."""

    colour: str
    x: float
    y: float


class Hand(NamedTuple):
    """A flying gripper; (x, y, z) is the middle between its fingertips, `opening` 0 (shut) to 1 (wide)."""

    x: float
    y: float
    z: float
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    opening: float = 1.0

    def state(self) -> NDArray[np.float64]:
        """What LIBERO calls the hand's state, [8]: place, rotation as axis times angle, and both fingers."""
        halves = (self.roll / 2, self.pitch / 2, self.yaw / 2)
        (cr, cp, cy), (sr, sp, sy) = (tuple(map(turned, halves)) for turned in (math.cos, math.sin))
        w = cr * cp * cy + sr * sp * sy
        axis = np.array([sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy])
        sine = float(np.linalg.norm(axis))
        turn = axis * (2 * math.atan2(sine, w) / sine if sine else 2.0)
        finger = FINGER_REACH * self.opening
        return np.array([self.x, self.y, self.z, *turn, finger, -finger])


@dataclass(frozen=True, slots=True)
class Scene:
    """The whole state of the simulator. `held` is the index of the block in the hand, if any."""

    hand: Hand
    blocks: tuple[Block, ...]
    bowls: tuple[Bowl, ...]
    held: int | None = None

    def block(self, colour: str) -> int:
        """Index of the block of this colour; colours are unique within a scene."""
        return next(index for index, block in enumerate(self.blocks) if block.colour == colour)

    def bowl(self, colour: str) -> Bowl:
        """The bowl of this colour; colours are unique within a scene."""
        return next(bowl for bowl in self.bowls if bowl.colour == colour)


def lay_table(rng: np.random.Generator, block_colours: list[str], bowl_colours: list[str]) -> Scene:
    """A scene with these blocks and bowls, nothing touching, and the hand open somewhere above."""
    places = _places(rng, len(bowl_colours), len(block_colours))
    bowls = [Bowl(colour, x, y) for colour, (x, y) in zip(bowl_colours, places, strict=False)]
    blocks = [Block(colour, x, y) for colour, (x, y) in zip(block_colours, places[len(bowls) :], strict=True)]
    x, y = (float(value) for value in rng.uniform(MARGIN, TABLE - MARGIN, 2))
    return Scene(Hand(x, y, TRAVEL_HEIGHT), tuple(blocks), tuple(bowls))


def _places(rng: np.random.Generator, bowls: int, blocks: int) -> list[tuple[float, float]]:
    """Middles of the bowls, then of the blocks, by rejection; a crowded draw starts again."""
    radii = [BOWL_RADIUS] * bowls + [BLOCK_SIDE * 0.75] * blocks
    while True:
        places: list[tuple[float, float]] = []
        draws = rng.uniform(MARGIN, TABLE - MARGIN, (_ATTEMPTS, 2)).tolist()
        for x, y in draws:
            radius = radii[len(places)]
            if all(
                (x - u) ** 2 + (y - v) ** 2 > (radius + r + 0.01) ** 2 for (u, v), r in zip(places, radii, strict=False)
            ):
                places.append((x, y))
                if len(places) == len(radii):
                    return places
