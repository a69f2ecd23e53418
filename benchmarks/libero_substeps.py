"""A control step of LIBERO that computes nothing twice, beside robosuite's own, and whether both are equal.

    .venv-libero/bin/python benchmarks/libero_substeps.py [SUITE:TASK ...]        in LIBERO's Python

An expert's demonstration, then drawn actions from a benchmark state, both without pictures, which cost the same either
way. Exits with 1 where any number of the simulator differs in any bit.
"""

import hashlib
import os
import statistics
import sys
import time
import types
from contextlib import nullcontext
from pathlib import Path
from typing import Any

package = types.ModuleType("vlatrain")
package.__path__ = [str(Path(__file__).parents[1] / "trainer" / "vlatrain")]
sys.modules["vlatrain"] = package

import numpy as np  # noqa: E402  behind the package that is made above
from vlatrain.sim.libero_check import prepare_rendering  # noqa: E402
from vlatrain.sim.protocol import Frames, Layout  # noqa: E402

prepare_rendering()

from vlatrain.sim import libero_stage  # noqa: E402  what it imports reads the environment
from vlatrain.sim.libero import make_simulation  # noqa: E402

LIMIT, STEPS = 220, 60
TASKS = ("libero_spatial:0", "libero_object:0", "libero_goal:2")
LEFT = ("qpos", "qvel", "qacc", "qacc_warmstart", "xpos", "sensordata", "actuator_force", "qfrc_constraint", "time")


def left(simulation: Any) -> bytes:
    """What a step leaves in the simulator."""
    data = simulation._stage.inner.sim.data._data
    return b"".join(np.array(getattr(data, name)).tobytes() for name in LEFT)


def played(simulation: Any, frames: Frames, suite: str, task: int) -> tuple[str, float]:
    """A fingerprint of everything, and the seconds of a step with a drawn action."""
    place = {"suite": suite, "task": task}
    told = simulation.demonstrate({**place, "seed": 2000, "shaky": True, "limit": LIMIT, "pictures": False})
    seen = [frames.states[: told["frames"]].tobytes(), left(simulation)]
    simulation.start({**place, "trial": 3, "wait_steps": 10})
    simulation._shutter.is_open = False
    draws, taken = np.random.RandomState(1), []
    for _ in range(STEPS):
        action = draws.uniform(-1, [1, 1, 0.2, 1, 1, 1, 1]).tolist()
        started = time.perf_counter()
        simulation._stage.step(action)
        taken.append(time.perf_counter() - started)
        seen.append(left(simulation))
    return hashlib.sha256(b"".join(seen)).hexdigest(), statistics.median(taken)


def main() -> int:
    layout = Layout(LIMIT, 1, 8)
    memory = os.memfd_create("frames")
    os.ftruncate(memory, layout.size_bytes)
    frames = Frames(memory, layout)
    simulation = make_simulation(frames)
    once, is_equal = vars(libero_stage)["substeps"], True
    for name in sys.argv[1:] or TASKS:
        suite, task = name.split(":")
        vars(libero_stage)["substeps"] = once
        ours, ours_s = played(simulation, frames, suite, int(task))
        vars(libero_stage)["substeps"] = lambda sim: nullcontext()
        theirs, theirs_s = played(simulation, frames, suite, int(task))
        is_equal &= ours == theirs
        print(
            f"{name}, mujoco {simulation.versions['mujoco']}: {1000 * ours_s:.1f} ms a step; robosuite's own "
            f"{1000 * theirs_s:.1f} ms ({theirs_s / ours_s:.2f} times); {'equal' if ours == theirs else 'DIFFERENT'}",
            flush=True,
        )
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
