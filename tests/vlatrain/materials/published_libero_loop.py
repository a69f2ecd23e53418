"""The published evaluation's serial loop over the trials of a task, written anew; for the Python with LIBERO.

SUITE TASK TRIALS STEPS FILE: writes fingerprints of pictures and states after the wait and after each random action.
"""

import hashlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LIBERO_CONFIG_PATH", "/nonexistent")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from libero.libero import benchmark, get_libero_path
from libero.libero.envs import OffScreenRenderEnv


def fingerprint(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def axis_angle(quaternion: Any) -> Any:
    w = min(1.0, max(-1.0, quaternion[3]))
    length = np.sqrt(1.0 - w * w)
    return np.zeros(3) if math.isclose(length, 0.0) else quaternion[:3] * 2.0 * math.acos(w) / length


def told(observation: Any) -> list[str]:
    hand = [observation["robot0_eef_pos"], axis_angle(observation["robot0_eef_quat"])]
    state = np.concatenate([*hand, observation["robot0_gripper_qpos"]])
    pictures = [observation[f"{name}_image"][::-1, ::-1] for name in ("agentview", "robot0_eye_in_hand")]
    return [fingerprint(part) for part in (*pictures, state)]


suite_name, task_number, trials, steps, file = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
suite = benchmark.get_benchmark_dict()[suite_name]()
task = suite.get_task(task_number)
states = suite.get_task_init_states(task_number)
scene = Path(get_libero_path("bddl_files")) / task.problem_folder / task.bddl_file
env = OffScreenRenderEnv(bddl_file_name=str(scene), camera_heights=256, camera_widths=256)
env.seed(0)
found = []
for trial in range(trials):
    env.reset()
    observation = env.set_init_state(states[trial])
    for _ in range(10):
        observation, _, _, _ = env.step([0, 0, 0, 0, 0, 0, -1])
    seen = [told(observation)]
    draws = np.random.RandomState(trial)
    for _ in range(steps):
        observation, _, _, _ = env.step(draws.uniform(-1, 1, 7).tolist())
        seen.append(told(observation))
    found.append(seen)
Path(file).write_text(json.dumps(found))
