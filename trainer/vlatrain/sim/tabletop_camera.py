"""The embedded simulator's camera: one small picture of the table, seen from the front and above.

A point (x, y, z) falls on column x and on a row that sinks with nearness and rises with height; the hand's shadow shows
where it hangs. Edges are drawn by pixel coverage, so that a shift of a tenth of a pixel is in the picture.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vlatrain.sim.tabletop_scene import BLOCK_SIDE, BOWL_RADIUS, FINGER_REACH, TABLE, Block, Bowl, Hand, Scene

IMAGE_SIZE = 48
RGB = {
    "red": (214, 40, 40),
    "green": (36, 160, 60),
    "blue": (40, 84, 214),
    "yellow": (240, 208, 40),
    "purple": (150, 54, 186),
}
_WOOD = (196, 180, 160)
_STEEL = (58, 60, 66)
_FAR_ROW = 0.22  # of the picture: where the table's far edge lies
_DEPTH = 0.74  # of the picture: rows from the far edge to the near one
_LIFT = 1.5  # of the picture, a metre of height
_Canvas = npt.NDArray[np.float32]


def render(scene: Scene, size: int = IMAGE_SIZE) -> npt.NDArray[np.uint8]:
    """The scene as uint8 [size, size, 3]."""
    resting = tuple(block for index, block in enumerate(scene.blocks) if index != scene.held)
    canvas = _table(scene.bowls, resting, size).copy()
    _draw_shadow(canvas, scene.hand)
    if scene.held is not None:
        _draw_block(canvas, scene.blocks[scene.held])
    _draw_hand(canvas, scene.hand)
    picture: npt.NDArray[np.uint8] = (canvas + 0.5).astype(np.uint8)
    return picture


def _column(x: float, size: int) -> float:
    return x / TABLE * size


def _row(y: float, z: float, size: int) -> float:
    return (_FAR_ROW + _DEPTH * (1 - y / TABLE) - _LIFT * z) * size


@lru_cache(maxsize=256)
def _table(bowls: tuple[Bowl, ...], blocks: tuple[Block, ...], size: int) -> _Canvas:
    """What stands still in most steps, kept: the table, the bowls and the blocks that lie, far and low ones first."""
    canvas = np.empty((size, size, 3), np.float32)
    canvas[:] = _WOOD
    canvas[: int(_FAR_ROW * size)] *= 0.82
    for bowl in sorted(bowls, key=lambda bowl: -bowl.y):
        column, row, radius = _column(bowl.x, size), _row(bowl.y, 0.0, size), _column(BOWL_RADIUS, size)
        _blend_ellipse(canvas, column, row, radius, radius * _DEPTH, RGB[bowl.colour], 1.0)
        inside = (channel * 0.45 for channel in RGB[bowl.colour])
        _blend_ellipse(canvas, column, row, radius * 0.66, radius * 0.66 * _DEPTH, tuple(inside), 1.0)
    for block in sorted(blocks, key=lambda block: (block.z, -block.y)):
        _draw_block(canvas, block)
    canvas.setflags(write=False)
    return canvas


def _draw_block(canvas: _Canvas, block: Block) -> None:
    """A lit top and a darker front."""
    size = len(canvas)
    half = BLOCK_SIDE / 2
    left, right = _column(block.x - half, size), _column(block.x + half, size)
    top = block.z + BLOCK_SIDE * 0.6
    edge = _row(block.y - half, top, size)
    colour = RGB[block.colour]
    _blend_box(canvas, left, right, edge, _row(block.y - half, block.z, size), tuple(c * 0.62 for c in colour), 1.0)
    _blend_box(canvas, left, right, _row(block.y + half, top, size), edge, colour, 1.0)


def _draw_shadow(canvas: _Canvas, hand: Hand) -> None:
    size = len(canvas)
    radius = _column(0.022, size)
    _blend_ellipse(
        canvas, _column(hand.x, size), _row(hand.y, 0.0, size), radius, radius * _DEPTH, (0.0, 0.0, 0.0), 0.5
    )


def _draw_hand(canvas: _Canvas, hand: Hand) -> None:
    """Two fingers and the palm that joins them; a turned hand looks narrower, a tilted one leans."""
    size = len(canvas)
    reach = FINGER_REACH * hand.opening + 0.006
    across, away = reach * math.cos(hand.yaw), reach * math.sin(hand.yaw)
    lean = 0.04 * math.sin(hand.pitch)
    palm = _row(hand.y + 0.04 * math.sin(hand.roll), hand.z + 0.05, size)
    for side in (-1, 1):
        column = _column(hand.x + side * across, size)
        tip = _row(hand.y + side * away, hand.z - 0.008, size)
        _blend_box(canvas, column - 0.02 * size, column + 0.02 * size, palm, tip, _STEEL, 1.0)
    middle = _column(hand.x + lean, size)
    width = _column(abs(across), size) + 0.02 * size
    _blend_box(canvas, middle - width, middle + width, palm - 0.05 * size, palm, _STEEL, 1.0)


def _blend_box(
    canvas: _Canvas, left: float, right: float, top: float, bottom: float, colour: tuple[float, ...], alpha: float
) -> None:
    rows, down = _overlap(top, bottom, len(canvas))
    columns, across = _overlap(left, right, len(canvas))
    _blend(canvas, rows, columns, down[:, None] * across, colour, alpha)


def _overlap(low: float, high: float, size: int) -> tuple[slice, _Canvas]:
    """The pixels that `low`…`high` touches, and how much of each lies within."""
    window = _window(low, high, size)
    covered = [min(pixel + 1.0, high) - max(float(pixel), low) for pixel in range(window.start, window.stop)]
    return window, np.array(covered, np.float32)


def _window(low: float, high: float, size: int) -> slice:
    start = min(size, max(0, math.floor(low)))
    return slice(start, max(start, min(size, math.ceil(high))))


def _blend_ellipse(
    canvas: _Canvas, column: float, row: float, width: float, height: float, colour: tuple[float, ...], alpha: float
) -> None:
    """Half-axes `width` and `height` in pixels; the edge is one pixel soft."""
    size = len(canvas)
    rows = _window(row - height - 1, row + height + 1, size)
    columns = _window(column - width - 1, column + width + 1, size)
    down = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5 - row) / height
    across = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5 - column) / width
    distance = np.sqrt((down * down)[:, None] + across * across)
    covered = np.minimum(np.maximum((1 - distance) * height + 0.5, 0.0), 1.0)
    _blend(canvas, rows, columns, covered, colour, alpha)


def _blend(
    canvas: _Canvas, rows: slice, columns: slice, coverage: _Canvas, colour: tuple[float, ...], alpha: float
) -> None:
    part = canvas[rows, columns]
    part += (coverage * alpha)[..., None] * (np.array(colour, np.float32) - part)
