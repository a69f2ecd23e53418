"""Where and how the scripted expert takes hold of an object: many candidates, the cheapest wins."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vlatrain.sim.libero_scene import Heights, Scene, Vector, spread

RIMS = {"akita_black_bowl": (0.047, 0.038)}
"""Of bowls: radius of the rim, and the height above the origin at which it is held, in metres."""
TURNS = tuple(math.radians(degrees) for degrees in range(-90, 91, 15))
SHIFTS = (0.0, 0.01, 0.02)
OPEN_REACH = 0.04  # from the middle to a finger of the open hand
FINGER_LENGTH = 0.05
WIDEST = 0.072
TIP = 0.01  # a fingertip below the point that is held
PALM = 0.075  # the palm above it
LEAST_ROOM = 0.004
HAND_HALF_LENGTH, HAND_HALF_WIDTH = 0.11, 0.035
UP = np.array([0.0, 0.0, 1.0])
CROWDED = 60.0  # cost of a metre of missing room
OTHER_SIDE = 0.05  # cost of the right side of a rim: which side is free must not depend on a millimetre


@dataclass(frozen=True)
class Grasp:
    """The hand at `point`, turned by `turn` about the vertical from where its fingers point now."""

    point: Vector
    turn: float
    cost: float


def grasps(scene: Scene, name: str) -> list[Grasp]:
    """All ways to take an object, the best first."""
    straight = finger_direction(scene)
    with scene.without(name) as heights:
        rim = RIMS.get(scene.category(name))
        found = _rim(scene, name, rim, straight, heights) if rim else _body(scene, name, straight, heights)
        return sorted(found, key=lambda grasp: grasp.cost)


def finger_direction(scene: Scene) -> Vector:
    """Along which the fingers open, in the horizontal plane."""
    flat = scene.hand_axes[:, 0] * [1, 1, 0]
    unit: Vector = flat / np.linalg.norm(flat)
    return unit


def turned(direction: Vector, turn: float) -> Vector:
    """About the vertical."""
    cosine, sine = math.cos(turn), math.sin(turn)
    x, y = direction[:2]
    return np.array([cosine * x - sine * y, sine * x + cosine * y, 0.0])


def _rim(scene: Scene, name: str, rim: tuple[float, float], straight: Vector, heights: Heights) -> Iterator[Grasp]:
    """One finger inside the bowl, one outside; the rim is where the bowl's own tilt puts it."""
    middle, axes = scene.position(name), scene.axes(name)
    radius, height = rim
    for turn in TURNS:
        for side in (1.0, -1.0):
            outward = side * turned(straight, turn)
            local = axes.T @ outward
            local = np.array([local[0], local[1], 0.0]) / np.hypot(local[0], local[1])
            edge = middle + axes @ (local * radius + [0.0, 0.0, height])
            for shift in SHIFTS:
                point = edge - shift * outward
                crowded = _missing_finger_room(point, outward, heights) + _missing_hand_room(point, outward, heights)
                lean = abs(float(axes[:, 2] @ outward))
                cost = 0.4 * abs(turn) + CROWDED * crowded + lean + 8 * shift + OTHER_SIDE * (side < 0)
                yield Grasp(point, turn, cost)


def _body(scene: Scene, name: str, straight: Vector, heights: Heights) -> Iterator[Grasp]:
    """Both fingers outside, across the object's upper part."""
    points = scene.points(name)
    top, bottom = points[:, 2].max(), points[:, 2].min()
    upper = points[points[:, 2] > top - max(FINGER_LENGTH, 0.6 * (top - bottom))]
    for turn in TURNS:
        along = turned(straight, turn)
        across = turned(along, math.pi / 2)
        reach, width = upper @ along, upper @ across
        thickness = float(np.ptp(reach))
        middle = (reach.max() + reach.min()) / 2 * along + (width.max() + width.min()) / 2 * across
        point = middle + max(top - 0.035, bottom + TIP + LEAST_ROOM) * UP
        crowded = max(_missing_finger_room(point, side * along, heights) for side in (-1.0, 1.0))
        crowded += _missing_hand_room(point, along, heights) + max(0.0, thickness - WIDEST)
        yield Grasp(point, turn, 0.4 * abs(turn) + CROWDED * crowded + 10 * thickness)


def _missing_finger_room(point: Vector, outward: Vector, heights: Heights) -> float:
    """How far an open finger would go into what stands there, in metres."""
    places = spread(point + (OPEN_REACH + 0.01) * outward, outward, 0.01, 0.012, steps=3)
    return max(0.0, LEAST_ROOM - (float(point[2]) - TIP - heights.highest(places)))


def _missing_hand_room(point: Vector, along: Vector, heights: Heights) -> float:
    places = spread(point, along, HAND_HALF_LENGTH, HAND_HALF_WIDTH, steps=9)
    return max(0.0, heights.highest(places) - (float(point[2]) + PALM))
