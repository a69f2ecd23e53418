"""The scripted expert of the embedded simulator, and the demonstrations it gives.

The expert looks at the scene alone and remembers nothing, so its action is right after any disturbance.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vlatrain.sim.episode import Episode
from vlatrain.sim.tabletop_camera import IMAGE_SIZE, render
from vlatrain.sim.tabletop_physics import GRASP_HEIGHT, STEP, TURN, advance, rests_in_bowl
from vlatrain.sim.tabletop_scene import TRAVEL_HEIGHT, Hand, Scene
from vlatrain.sim.tabletop_suites import Task, demonstration_scene, suite_tasks

STEP_LIMIT = 32
_ALIGNED = 0.009  # metres off the block at which the open hand goes down
_OVER_BOWL = 0.02  # metres off the bowl's middle at which the block is let go
_CLEAR = 0.075  # height at which hand and block pass over everything
_RELEASE_HEIGHT = 0.07
_DEMONSTRATION_LIMIT = 2 * STEP_LIMIT
_UNRULY_EPISODES = 0.8  # share of demonstrations with a hand that does not quite obey
_LURED_AT_FIRST = 0.7  # in those: chance that the first step is lured
_LURE_BEGINS = 0.12  # chance a step
_LURE_ENDS = 0.2  # chance a step

Action = npt.NDArray[np.float32]
Steps = list[tuple[Scene, Action]]


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
    return np.clip(np.array([*motion, *turn, grip], np.float32), -1.0, 1.0) + 0.0  # no negative zeros


def demonstrations(suite: str, episodes: int, seed: int, image_size: int = IMAGE_SIZE) -> Iterator[Episode]:
    """That many successful episodes, the suite's tasks in turn; failures are left out and replaced.

    In most episodes the hand does not quite obey: it shakes, and for some steps at a time another block or bowl lures
    it. That is in what is executed, never in what is recorded, so the recorded actions show how to recover, and
    nearness does not give away what was asked for. Scenes never are those of evaluation.
    """
    for task, steps in demonstrated_steps(suite, episodes, seed):
        yield Episode(
            task=task.name,
            instruction=task.instruction,
            images=np.stack([render(scene, image_size) for scene, _ in steps]),
            actions=np.stack([action for _, action in steps]),
            states=np.stack([scene.hand.state() for scene, _ in steps]).astype(np.float32),
        )


def demonstrated_steps(suite: str, episodes: int, seed: int) -> Iterator[tuple[Task, Steps]]:
    """The same demonstrations as scenes instead of pictures."""
    tasks = suite_tasks(suite)
    index = 0
    for number in range(episodes):
        steps: Steps = []
        while not steps:
            steps = _attempt(tasks[number % len(tasks)], seed, index)
            index += 1
        yield tasks[number % len(tasks)], steps


def _attempt(task: Task, seed: int, index: int) -> Steps:
    """What was seen and done until the goal was reached; empty where it was not."""
    scene, rng = demonstration_scene(task, seed, index)
    obeys = rng.random() > _UNRULY_EPISODES
    shake = 0.0 if obeys else float(rng.uniform(0.05, 0.25))
    lure: Task | None = None
    steps: Steps = []
    for step in range(_DEMONSTRATION_LIMIT):
        action = scripted_action(scene, task)
        steps.append((scene, action))
        if not obeys and rng.random() < (_LURED_AT_FIRST if step == 0 else _LURE_BEGINS):
            lure = _lure(scene, task, rng)
        elif rng.random() < _LURE_ENDS:
            lure = None
        motion = scripted_action(scene, lure)[:3] if lure else action[:3]
        scene = advance(scene, [*(motion + shake * rng.standard_normal(3)), *action[3:]])
        if rests_in_bowl(scene, task.block, task.bowl):
            return steps
    return []


def _lure(scene: Scene, task: Task, rng: np.random.Generator) -> Task:
    """The task with another block, or another bowl once the block is held."""
    others = scene.bowls if scene.held is not None else scene.blocks
    named = task.bowl if scene.held is not None else task.block
    colour = str(rng.choice([other.colour for other in others if other.colour != named]))
    return replace(task, bowl=colour) if scene.held is not None else replace(task, block=colour)
