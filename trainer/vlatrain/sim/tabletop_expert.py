"""The scripted expert of the embedded simulator, and the demonstrations it gives.

The expert looks at the scene alone and remembers nothing, so its action is right after any disturbance.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vlatrain.sim.episode import Episode
from vlatrain.sim.tabletop_camera import IMAGE_SIZE, render
from vlatrain.sim.tabletop_physics import GRASP_HEIGHT, STEP, TURN, advance, rests_in_bowl
from vlatrain.sim.tabletop_scene import TRAVEL_HEIGHT, Hand, Scene
from vlatrain.sim.tabletop_suites import Task, demonstration_scene, suite_tasks

STEP_LIMIT = 40
_ALIGNED = 0.009  # metres off the block at which the open hand goes down
_OVER_BOWL = 0.02  # metres off the bowl's middle at which the block is let go
_CLEAR = 0.075  # height at which hand and block pass over everything
_RELEASE_HEIGHT = 0.07
_SHAKY_EPISODES = 0.6  # share of demonstrations with a hand that does not quite obey

Action = npt.NDArray[np.float32]


def scripted_action(scene: Scene, task: Task) -> Action:
    """float32 [7] in -1…1: fetch the named block, carry it over the named bowl, let go."""
    target = scene.block(task.block)
    if scene.held == target:
        return _carry(scene, task)
    if scene.held is not None:
        return _action(scene.hand, (scene.hand.x, scene.hand.y, scene.hand.z), grip=-1.0)
    return _fetch(scene, target)


def _fetch(scene: Scene, target: int) -> Action:
    hand, block = scene.hand, scene.blocks[target]
    off = math.hypot(block.x - hand.x, block.y - hand.y)
    low = block.z + GRASP_HEIGHT
    ready = off < _ALIGNED and hand.opening == 1.0
    if ready and hand.z - low < 0.012:
        return _action(hand, (block.x, block.y, low), grip=1.0)
    if ready:
        return _action(hand, (block.x, block.y, low), grip=-1.0)
    if hand.z < _CLEAR + block.z:
        return _action(hand, (hand.x, hand.y, TRAVEL_HEIGHT + block.z), grip=-1.0)
    return _action(hand, (block.x, block.y, TRAVEL_HEIGHT + block.z), grip=-1.0)


def _carry(scene: Scene, task: Task) -> Action:
    hand, block, bowl = scene.hand, scene.blocks[scene.block(task.block)], scene.bowl(task.bowl)
    x, y = hand.x + bowl.x - block.x, hand.y + bowl.y - block.y
    if math.hypot(bowl.x - block.x, bowl.y - block.y) < _OVER_BOWL:
        grip = -1.0 if hand.z < _RELEASE_HEIGHT + 0.005 else 1.0
        return _action(hand, (x, y, _RELEASE_HEIGHT), grip=grip)
    if hand.z < _CLEAR:
        return _action(hand, (hand.x, hand.y, TRAVEL_HEIGHT), grip=1.0)
    return _action(hand, (x, y, TRAVEL_HEIGHT), grip=1.0)


def _action(hand: Hand, there: tuple[float, float, float], *, grip: float) -> Action:
    x, y, z = there
    motion = [(x - hand.x) / STEP, (y - hand.y) / STEP, (z - hand.z) / STEP]
    turn = [-hand.roll / TURN, -hand.pitch / TURN, -hand.yaw / TURN]
    return np.clip(np.array([*motion, *turn, grip], np.float32), -1.0, 1.0)


def demonstrations(suite: str, episodes: int, seed: int, image_size: int = IMAGE_SIZE) -> Iterator[Episode]:
    """That many successful episodes, the suite's tasks in turn; failures are left out and replaced.

    In most episodes the hand does not quite obey (noise in what is executed, never in what is recorded), so that the
    recorded actions show how to recover. Scenes never are those of evaluation.
    """
    tasks = suite_tasks(suite)
    given, index = 0, 0
    while given < episodes:
        episode = _demonstrate(tasks[index % len(tasks)], seed, index, image_size)
        index += 1
        if episode is not None:
            given += 1
            yield episode


def _demonstrate(task: Task, seed: int, index: int, image_size: int) -> Episode | None:
    scene, rng = demonstration_scene(task, seed, index)
    shake = float(rng.uniform(0.1, 0.4)) if rng.random() < _SHAKY_EPISODES else 0.0
    images, actions = [], []
    for _ in range(STEP_LIMIT):
        action = scripted_action(scene, task)
        images.append(render(scene, image_size))
        actions.append(action)
        scene = advance(scene, [*(action[:3] + shake * rng.standard_normal(3)), *action[3:]])
        if rests_in_bowl(scene, task.block, task.bowl):
            return Episode(
                task=task.name, instruction=task.instruction, images=np.stack(images), actions=np.stack(actions)
            )
    return None
