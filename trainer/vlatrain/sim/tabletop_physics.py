"""What one action does to the scene: the embedded simulator's physics, a pure function.

Kept: the hand moves at most 5 cm a step and an axis, stands on what is below a finger, pushes what is beside a low one;
a block is held only when it lies between the fingers of a straight hand; a released block falls on the table, into a
bowl or on another block, and rolls off edges. Left out: speeds, friction, blocks that push blocks.
"""

import math
from collections.abc import Sequence

from vlatrain.sim.tabletop_scene import BLOCK_SIDE, BOWL_HEIGHT, BOWL_RADIUS, FINGER_REACH, TABLE, Block, Hand, Scene

STEP = 0.05  # metres a unit of action, as LIBERO's controller
TURN = 0.5  # radians a unit of action
CEILING = 0.16
GRASP_HEIGHT = 0.01  # of the fingertips above the underside of the block that they hold
MAX_TILT = 0.4  # radians off straight at which fingers still close on a block
_HALF = BLOCK_SIDE / 2
_INSIDE = BOWL_RADIUS - 0.01  # a middle nearer than this to the bowl's falls in


def advance(scene: Scene, action: Sequence[float]) -> Scene:
    """The scene one step later. `action`: dx, dy, dz, droll, dpitch, dyaw, gripper (> 0 closes), each cut to -1…1."""
    dx, dy, dz, droll, dpitch, dyaw, grip = (min(1.0, max(-1.0, float(value))) for value in action)
    old = scene.hand
    hand = old._replace(
        x=_within(old.x + dx * STEP, 0.0, TABLE),
        y=_within(old.y + dy * STEP, 0.0, TABLE),
        z=_within(old.z + dz * STEP, GRASP_HEIGHT, CEILING),
        roll=_within(old.roll + droll * TURN, -1.5, 1.5),
        pitch=_within(old.pitch + dpitch * TURN, -1.5, 1.5),
        yaw=math.remainder(old.yaw + dyaw * TURN, math.pi),
    )
    hand = hand._replace(z=max(hand.z, _floor_under(scene, hand)))
    return _gripped(_pushed(scene, hand), grip)


def rests_in_bowl(scene: Scene, block_colour: str, bowl_colour: str) -> bool:
    """Whether that block lies in that bowl and is not held."""
    index = scene.block(block_colour)
    block, bowl = scene.blocks[index], scene.bowl(bowl_colour)
    return scene.held != index and math.hypot(block.x - bowl.x, block.y - bowl.y) < BOWL_RADIUS


def _within(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


def _fingers(hand: Hand) -> tuple[tuple[float, float], ...]:
    reach = FINGER_REACH * hand.opening
    across, along = reach * math.cos(hand.yaw), reach * math.sin(hand.yaw)
    return ((hand.x - across, hand.y - along), (hand.x + across, hand.y + along))


def _covers(block: Block, x: float, y: float, reach: float) -> bool:
    return abs(block.x - x) < reach and abs(block.y - y) < reach


def _probes(scene: Scene, hand: Hand) -> tuple[tuple[float, float, float], ...]:
    """What of the hand can hit blocks: (x, y, half its width)."""
    fingers = tuple((x, y, 0.003) for x, y in _fingers(hand))
    return fingers if scene.held is None else (*fingers, (hand.x, hand.y, _HALF))


def _floor_under(scene: Scene, hand: Hand) -> float:
    """Lowest z for the hand: bowls always lift it, a block only where the hand came from above it."""
    floor = GRASP_HEIGHT
    if any(math.hypot(bowl.x - hand.x, bowl.y - hand.y) < BOWL_RADIUS for bowl in scene.bowls):
        floor += BOWL_HEIGHT / 2
    for index, block in enumerate(scene.blocks):
        top = block.z + BLOCK_SIDE
        if index != scene.held and scene.hand.z >= top and _touches(scene, hand, block):
            floor = max(floor, top)
    return floor


def _touches(scene: Scene, hand: Hand, block: Block) -> bool:
    return any(_covers(block, x, y, _HALF + width) for x, y, width in _probes(scene, hand))


def _pushed(scene: Scene, hand: Hand) -> Scene:
    """Move the hand: the held block goes with it, and blocks beside a low finger are shoved along the table."""
    moved = (hand.x - scene.hand.x, hand.y - scene.hand.y)
    blocks = []
    for index, block in enumerate(scene.blocks):
        if index == scene.held:
            block = block._replace(x=block.x + moved[0], y=block.y + moved[1], z=hand.z - GRASP_HEIGHT)
        elif block.z <= hand.z < block.z + BLOCK_SIDE and _touches(scene, hand, block):
            block = _shoved(scene, block, moved)
        blocks.append(block)
    return Scene(hand, tuple(blocks), scene.bowls, scene.held)


def _shoved(scene: Scene, block: Block, moved: tuple[float, float]) -> Block:
    """A block goes along with the finger, but neither off the table nor over a bowl's rim from either side."""
    there = block._replace(
        x=_within(block.x + moved[0], _HALF, TABLE - _HALF), y=_within(block.y + moved[1], _HALF, TABLE - _HALF)
    )
    crosses = any(_inside(bowl.x, bowl.y, there) != _inside(bowl.x, bowl.y, block) for bowl in scene.bowls)
    return block if crosses else there


def _inside(x: float, y: float, block: Block) -> bool:
    return math.hypot(block.x - x, block.y - y) < BOWL_RADIUS


def _gripped(scene: Scene, grip: float) -> Scene:
    """Close or open the fingers by half their way."""
    if grip > 0 and scene.held is None:
        return _closed(scene)
    if grip < 0:
        opened = scene.hand._replace(opening=min(1.0, scene.hand.opening + 0.5))
        if scene.held is None:
            return Scene(opened, scene.blocks, scene.bowls)
        blocks = tuple(_dropped(scene, block) if i == scene.held else block for i, block in enumerate(scene.blocks))
        return Scene(opened, blocks, scene.bowls)
    return scene


def _closed(scene: Scene) -> Scene:
    hand = scene.hand._replace(opening=max(0.0, scene.hand.opening - 0.5))
    straight = max(abs(hand.roll), abs(hand.pitch), abs(math.remainder(hand.yaw, math.pi / 2))) < MAX_TILT
    between = [i for i, block in enumerate(scene.blocks) if straight and _is_between_fingers(scene.hand, block)]
    if not between:
        return Scene(hand, scene.blocks, scene.bowls)
    held = min(between, key=lambda i: math.hypot(scene.blocks[i].x - hand.x, scene.blocks[i].y - hand.y))
    centred = scene.blocks[held]._replace(x=hand.x, z=hand.z - GRASP_HEIGHT)
    blocks = tuple(centred if i == held else block for i, block in enumerate(scene.blocks))
    return Scene(hand._replace(opening=0.5), blocks, scene.bowls, held)


def _is_between_fingers(hand: Hand, block: Block) -> bool:
    low_enough = abs(hand.z - GRASP_HEIGHT - block.z) < 0.015
    return low_enough and hand.opening == 1.0 and _covers(block, hand.x, hand.y, _HALF)


def _dropped(scene: Scene, block: Block) -> Block:
    """Where a released block comes to rest."""
    for bowl in scene.bowls:
        distance = math.hypot(block.x - bowl.x, block.y - bowl.y)
        if distance < _INSIDE:
            return _settled(scene, block, BOWL_HEIGHT / 4)
        if distance < BOWL_RADIUS + _HALF:
            out = (BOWL_RADIUS + _HALF + 0.005) / distance
            block = block._replace(x=bowl.x + (block.x - bowl.x) * out, y=bowl.y + (block.y - bowl.y) * out)
    return _settled(scene, block, 0.0)


def _settled(scene: Scene, block: Block, ground: float) -> Block:
    """On the ground, or on top of the block below, or beside it where the middle is past its edge."""
    for index, below in enumerate(scene.blocks):
        if index == scene.held or not _covers(below, block.x, block.y, BLOCK_SIDE):
            continue
        if ground > 0 or _covers(below, block.x, block.y, _HALF):
            ground = max(ground, below.z + BLOCK_SIDE)
        else:
            block = block._replace(x=below.x + math.copysign(BLOCK_SIDE, block.x - below.x))
    return block._replace(x=_within(block.x, _HALF, TABLE - _HALF), y=_within(block.y, _HALF, TABLE - _HALF), z=ground)
