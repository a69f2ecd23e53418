"""The half of libero_proxy.py that simulates; runs in the Python that has LIBERO, nothing is rendered.

libero_proxy_scenes.py record FOLDER --tasks 2 6 --count 40
libero_proxy_scenes.py play POLICY --tasks 2 6 --count 20 --noise-mm 6 --execution executed-1 --out played.jsonl
"""

import argparse
import json
from collections import deque
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from libero_proxy_policy import OBJECTS, SEEN, Policy, Vector, errors
from vlatrain.sim.libero_demonstrator import SETTLING_STEPS, Tremor, has_flown, places
from vlatrain.sim.libero_expert import Expert, job_of
from vlatrain.sim.libero_scene import Scene
from vlatrain.sim.libero_stage import STANDING_STILL, Shutter, Stage
from vlatrain.sim.protocol import Layout

SUITE, LIMIT = "libero_spatial", 220
RECORDED_SEED, PLAYED_SEED = 10_000, 900_000
LASTING = 0.9
"""Share of an error of sight that is left a step later: in training errors are drawn anew for each frame."""
LIFTED, HELD, STILL = 0.03, 0.05, 0.002


def compute_once(sim: Any) -> None:
    """Robosuite computes each state three times, in two calls of forward and in the step: here once. Half the time."""
    model, data = sim.model._model, sim.data._data
    is_new = True

    def forward() -> None:
        nonlocal is_new
        if is_new:
            mujoco.mj_step1(model, data)
        is_new = False

    def step(*words: Any) -> None:
        nonlocal is_new
        forward()
        mujoco.mj_step2(model, data)
        is_new = True

    sim.forward, sim.step = forward, step


class World:
    """One task, of which nothing is observed but what the scene says."""

    def __init__(self, task: int, shutter: Shutter) -> None:
        self.stage = Stage(SUITE, task, Layout(LIMIT, 1, 8), shutter)
        self.stage.reset(0, 0)
        inner = self.stage.inner
        inner._get_observations = lambda *words, **named: {}
        inner._update_observables = lambda *words, **named: None

    def is_drawn(self, seed: int) -> bool:
        """Draws a scene and lets it come to rest; whether it is fit."""
        vars(self.stage.inner.sim).pop("forward", None)
        vars(self.stage.inner.sim).pop("step", None)
        self.stage.reset(seed, 0)
        compute_once(self.stage.inner.sim)
        self.scene = Scene(self.stage.inner)
        self.job = job_of(self.scene)
        drawn = places(self.scene, self.job)
        for _ in range(SETTLING_STEPS):
            self.step(STANDING_STILL)
        return not has_flown(drawn, places(self.scene, self.job))

    def step(self, action: list[float]) -> bool:
        return bool(self.stage.inner.step(np.array(action))[2])

    def opening(self) -> float:
        joints = list(self.stage.inner.robots[0]._ref_gripper_joint_pos_indexes)
        return float(np.abs(self.stage.inner.sim.data.qpos[joints]).sum())

    def seen(self) -> Vector:
        """Numbers [SEEN] that a camera could see at this instant."""
        scene, axes = self.scene, self.scene.hand_axes
        drawer = mujoco.mj_name2id(scene.model, mujoco.mjtObj.mjOBJ_BODY, "wooden_cabinet_1_cabinet_top")
        bodies = [*(scene.position(name) for name in OBJECTS), scene.data.xpos[drawer]]
        yaw = np.arctan2(axes[1, 0], axes[0, 0])
        bowl_tilt = scene.axes(self.job.thing)[:2, 2]
        return np.concatenate([scene.hand, [yaw], axes[:2, 2], [self.opening()], bowl_tilt, *bodies])

    def is_held(self) -> bool:
        thing = self.scene.points(self.job.thing)
        return 0.002 < self.opening() < 0.06 and bool(np.linalg.norm(thing - self.scene.hand, axis=1).min() < HELD)


def record(world: World, task: int, count: int, folder: Path) -> None:
    """Successful episodes of the expert, all with a tremor, as FOLDER/TASK-NUMBER.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{task}-{number}.npz"
        seed = RECORDED_SEED * task + 17 * number
        while not path.exists():
            if world.is_drawn(seed):
                seen, actions = demonstrated(world, Tremor(np.random.default_rng([seed, 1])))
                if len(actions):
                    np.savez(path, seen=seen, actions=actions)
            seed += 5003


def demonstrated(world: World, tremor: Tremor) -> tuple[Vector, Vector]:
    """What was seen [T, SEEN] and done [T, 7]; nothing where the expert fails."""
    seen: list[Vector] = []
    actions: list[list[float]] = []
    for action in Expert(world.stage.inner).actions():
        if len(actions) == LIMIT:
            break
        seen.append(world.seen())
        actions.append(action)
        if world.step(tremor.disturbed(action)):
            return np.array(seen), np.array(actions)
    return np.zeros((0, SEEN)), np.zeros((0, 7))


class Executor:
    """`executed-N` of a chunk before the policy is asked again, or `ensembled-K` as chunk_ensembling does it."""

    def __init__(self, execution: str) -> None:
        self._kind, value = execution.split("-")
        self._value = float(value)
        self._waiting: deque[Vector] = deque()
        self._chunks: deque[Vector] = deque()

    def next(self, policy: Policy, seen: Vector, task: int) -> Vector:
        if self._kind == "executed":
            if not self._waiting:
                self._waiting.extend(policy(seen, task)[: int(self._value)])
            return self._waiting.popleft()
        self._chunks.appendleft(policy(seen, task))
        while len(self._chunks) > len(self._chunks[0]):
            self._chunks.pop()
        weights = np.exp(-self._value * np.arange(len(self._chunks)))
        now = np.stack([chunk[age] for age, chunk in enumerate(self._chunks)])
        action: Vector = weights @ now / weights.sum()
        action[6] = np.sign(action[6]) or -1.0
        return action


def play(world: World, task: int, trial: int, policy: Policy, noise_m: float, execution: str) -> dict[str, Any]:
    """One episode of the policy, and how it ended."""
    rng = np.random.default_rng([task, trial])
    sight, error = errors(noise_m), rng.normal(size=SEEN)
    executor = Executor(execution)
    floor = world.scene.position(world.job.thing)[2]
    track: list[list[float]] = []
    for step in range(LIMIT):
        action = executor.next(policy, world.seen() + sight * error, task)
        height = float(world.scene.position(world.job.thing)[2] - floor)
        track.append([*world.scene.hand, action[6], height, world.is_held()])
        if world.step(action.tolist()):
            return {"success": True, "steps": step + 1, "end": "success"}
        error = LASTING * error + np.sqrt(1 - LASTING**2) * rng.normal(size=SEEN)
    return {"success": False, "steps": LIMIT, "end": end_of(np.array(track), world)}


def end_of(track: Vector, world: World) -> str:
    """Where an episode without success got to, and whether the hand mostly stood still in its last 60 steps."""
    moved = np.abs(np.diff(track[-60:, :3], axis=0)).max(axis=1)
    still = ", still" if (moved < STILL).mean() > 0.5 else ""
    aside = world.scene.position(world.job.thing) - world.scene.position(world.job.target)
    if (track[:, 3] < 0).all():
        return f"never closed{still}"
    if track[:, 4].max() < LIFTED:
        return f"never lifted{still}"
    if track[-1, 4] > LIFTED and track[-1, 5]:
        return f"carrying{still}"
    return f"at the target{still}" if np.linalg.norm(aside[:2]) < 0.12 else f"dropped{still}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=["record", "play"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--tasks", type=int, nargs="+", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--noise-mm", type=float, default=0.0)
    parser.add_argument("--execution", default="executed-1")
    parser.add_argument("--out", type=Path, default=Path("played.jsonl"))
    arguments = parser.parse_args()
    shutter = Shutter()
    shutter.is_open = False
    known = arguments.out.read_text().splitlines() if arguments.do == "play" and arguments.out.is_file() else []
    played = {(line["task"], line["trial"]) for line in map(json.loads, known)}
    for task in arguments.tasks:
        world = World(task, shutter)
        if arguments.do == "record":
            record(world, task, arguments.count, arguments.path)
        for trial in range(arguments.count) if arguments.do == "play" else ():
            if (task, trial) not in played and world.is_drawn(PLAYED_SEED + 1000 * task + trial):
                policy = Policy(arguments.path)
                told = play(world, task, trial, policy, arguments.noise_mm / 1000, arguments.execution)
                with arguments.out.open("a") as file:
                    file.write(json.dumps({"task": task, "trial": trial, **told}) + "\n")
        world.stage.close()


if __name__ == "__main__":
    main()
