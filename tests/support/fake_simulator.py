"""A simulator worker without LIBERO: a real process that speaks the protocol, and crashes or hangs as it is told to.

Stands in for a Python that has LIBERO. Faults are files in the folder $FAKE_FAULTS: `crash-TASK-TRIAL-STEP` or `hang-…`
act once, `always-…` every time; `refuse` and `dumb` act at the start; `unfit-TASK-SEED` is a scene nobody can play;
with `always-pillow` it has no simplejpeg.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from vlatrain.data import jpeg
from vlatrain.sim.developing import develop, store
from vlatrain.sim.protocol import Frames, Message
from vlatrain.sim.worker import Refused, run

STEPS = 3
JOINTS, SPEEDS = 3, 2
INSTRUCTIONS = ["pick up the red thing", "pick up the green thing", "open the drawer"]
VERSIONS = {"mujoco": "2.3.7", "fake": "1"}
STRIPES = np.random.default_rng(0).integers(0, 256, (1, 256, 3), np.uint8)
"""The lower half of large pictures: such as a JPEG pass changes"""


def fake_python(folder: Path) -> Path:
    """A program that takes a Python's place as sim_python."""
    path = folder / "fake-python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} "$@"\n')
    path.chmod(0o755)
    return path


class FakeSimulation:
    """An episode of an even trial succeeds after three steps; task 2 cannot be demonstrated."""

    versions = VERSIONS

    def __init__(self, frames: Frames) -> None:
        if fault("refuse"):
            raise Refused("mujoco 3.17.0 moves LIBERO's objects otherwise")
        if fault("dumb"):
            sys.exit("ModuleNotFoundError: no module named robosuite")
        self._frames = frames
        self._task = self._trial = self._step = 0
        self._is_stored = False

    def start(self, request: Message) -> None:
        self._task, self._trial, self._step = request["task"], request["trial"], 0
        assert request["wait_steps"] == 10
        self._is_stored = request.get("stored", False)
        self._show(0)

    def act(self, action: list[float], frame: int | None) -> bool:
        assert len(action) == 7
        self._step += 1
        self._show(frame)
        return self._step == STEPS and self._trial % 2 == 0

    def _show(self, frame: int | None) -> None:
        misbehave(self._task, self._trial, self._step)
        if frame is None:
            return
        self._frames.images[frame] = 10 * self._task + self._step
        self._frames.images[frame, :, 128:] = STRIPES[:, : self._frames.layout.size]
        if self._is_stored:
            store(self._frames, frame)
        self._frames.states[frame] = self._step

    def demonstrate(self, request: Message) -> Message:
        """Fails with every odd seed; still in the first of six frames."""
        task, count = request["task"], 6
        if task == 2:
            return {"frames": 0, "success": False, "reason": "the expert cannot open", "cannot": True}
        misbehave(task, request["seed"] % 1000, 0)
        if fault(f"unfit-{task}-{request['seed'] % 1000}"):
            return {"frames": 0, "success": False, "reason": "its objects flew apart", "unfit": True}
        self._frames.images[:count] = np.arange(count)[:, None, None, None, None] * 20
        self._frames.actions[:count] = np.linspace(0, 1, count)[:, None]
        self._frames.actions[0] = [0, 0, 0, 0, 0, 0, 1]
        self._frames.actions[1:, 6] = 1
        self._frames.actions[3] = [0, 0, 0, 0, 0, 0, 1]
        self._frames.states[:count] = np.arange(count)[:, None]
        if request["pictures"]:
            develop(self._frames, count, request["jpeg_quality"])
        told = {"frames": count, "success": request["seed"] % 2 == 0, "reason": "missed"}
        if scene := request.get("model_file"):
            self._frames.coordinates[:count] = 7
            self._frames.coordinates[:count, 1] = np.arange(count) * 20
            Path(scene).write_text('<mujoco><body name="cabinet" pos="33 0 0"/></mujoco>')
            told["coordinates"] = 1 + JOINTS + SPEEDS
        return told

    def render(self, request: Message) -> Message:
        """Each frame as grey as its first position says, on the left; on the right as the place of the fixture."""
        if request["coordinates"] != 1 + JOINTS + SPEEDS:
            return {"unfit": f"states have {request['coordinates']} coordinates; this task has {1 + JOINTS + SPEEDS}"}
        count = request["frames"]
        misbehave(request["task"], int(self._frames.coordinates[0, 1]), 0)
        self._frames.images[:count] = self._frames.coordinates[:count, 1, None, None, None, None]
        self._frames.images[:count, :, :, 128:] = request["bodies"]["cabinet"][0][0]
        self._frames.states[:count] = self._frames.coordinates[:count, 1, None]
        develop(self._frames, count, request["jpeg_quality"])
        return {"frames": count}


def fault(name: str) -> bool:
    folder = Path(os.environ.get("FAKE_FAULTS", "/nonexistent"))
    if (folder / f"always-{name}").exists():
        return True
    try:
        (folder / name).unlink()
    except OSError:
        return False
    return True


def misbehave(task: int, trial: int, step: int) -> None:
    place = f"{task}-{trial}-{step}"
    if fault(f"crash-{place}"):
        print("Segmentation fault in the renderer", flush=True)
        os._exit(139)
    if fault(f"hang-{place}"):
        time.sleep(3600)


def main() -> int:
    sys.argv.pop(1)  # the program that a real Python would run
    if fault("pillow"):
        vars(jpeg)["simplejpeg"] = None
    if sys.argv[1:] == ["--check"]:
        refused = {"refused": "mujoco 3.17.0 moves LIBERO's objects otherwise"} if fault("refuse") else {}
        names = [instruction.replace(" ", "_") for instruction in INSTRUCTIONS]
        told = {"versions": VERSIONS, "suites": {"libero_spatial": INSTRUCTIONS}, "names": {"libero_spatial": names}}
        told["jpeg"] = jpeg.pass_mark()
        print(json.dumps({**told, **refused}))
        return 2 if refused else 0
    return run(FakeSimulation)


if __name__ == "__main__":
    sys.exit(main())
