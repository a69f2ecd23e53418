"""Lets the scripted expert play fresh scenes, and keeps what it saw and did."""

from pathlib import Path

import numpy as np

from vlatrain.sim.developing import develop
from vlatrain.sim.libero_expert import CannotError, Expert, Job, job_of
from vlatrain.sim.libero_scene import Scene, Vector
from vlatrain.sim.libero_stage import STANDING_STILL, Stage, show, state_of
from vlatrain.sim.protocol import Frames, Message

SETTLING_STEPS = 20
FURTHEST_M = 0.1  # that an object moves sideways while it comes to rest; some are drawn leaning on others
NOISE = (0.1, 0.35)  # standard deviation, in units of action
NOISY_EPISODES, PUSHED_EPISODES = 0.8, 0.5
PUSHES_A_STEP = 0.03
SLIPPING_EPISODES, SLIPS_A_STEP, SLIP_STEPS = 0.5, 0.012, (4, 14)


class Tremor:
    """Noise in what is executed, never in what is recorded: the recorded actions then show how to recover.

    Most episodes get noise that lasts (first-order, its strength drawn), half of them short pushes, and half of them
    fingers that now and then do the opposite for a moment: they come to the object shut, or drop it on the way.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._strength = float(rng.uniform(*NOISE)) if rng.random() < NOISY_EPISODES else 0.0
        self._is_pushed = bool(rng.random() < PUSHED_EPISODES)
        self._noise = np.zeros(3)
        self._push, self._push_left = np.zeros(3), 0
        self._has_slips, self._slip_left = bool(rng.random() < SLIPPING_EPISODES), 0

    def disturbed(self, action: list[float]) -> list[float]:
        """The action with noise on its three motions, and its fingers' opposite while they slip."""
        self._noise = 0.8 * self._noise + 0.6 * self._rng.normal(0, self._strength, 3)
        if self._is_pushed and not self._push_left and self._rng.random() < PUSHES_A_STEP:
            self._push, self._push_left = self._rng.uniform(-1, 1, 3), int(self._rng.integers(2, 6))
        push = self._push if self._push_left else np.zeros(3)
        self._push_left = max(0, self._push_left - 1)
        motion = np.clip(np.array(action[:3]) + self._noise + push, -1, 1).tolist()
        return [*motion, *action[3:6], -action[6] if self._slips() else action[6]]

    def _slips(self) -> bool:
        """Whether the fingers slip in this step."""
        if self._has_slips and not self._slip_left and self._rng.random() < SLIPS_A_STEP:
            self._slip_left = int(self._rng.integers(*SLIP_STEPS))
        slips = self._slip_left > 0
        self._slip_left = max(0, self._slip_left - 1)
        return slips


def demonstrate(stage: Stage, request: Message, frames: Frames) -> Message:
    """Plays a scene drawn from `seed`, or what an evaluation plays as `trial`; see protocol for where the frames go.

    A `shaky` hand does not quite obey; with `pictures` those of a success are left as JPEG files of `jpeg_quality`;
    with `model_file` the simulator's states are left too, and the scene's XML is written there;
    `cannot` says that no scene will do, `unfit` that this one will not: its objects were drawn into each other and fly
    apart, which no benchmark state does.
    """
    stage.shutter.is_open = False
    trial = request.get("trial")
    stage.reset(request["seed"], trial or 0)
    if trial is not None:
        stage.put(stage.initial_states[trial])
    scene = Scene(stage.inner)
    try:
        job = job_of(scene)
    except CannotError as error:
        return {"frames": 0, "success": False, "reason": str(error), "cannot": True}
    drawn = places(scene, job)
    observation = at_rest(stage, request)
    if trial is None and has_flown(drawn, places(scene, job)):
        return {"frames": 0, "success": False, "reason": "its objects flew apart", "unfit": True}
    tremor = Tremor(np.random.default_rng([request["seed"], 1])) if request["shaky"] else None
    expert = Expert(stage.inner)
    limit = min(frames.layout.frames, request["limit"])
    for step, action in enumerate(expert.actions()):
        if step == limit:
            return {"frames": limit, "success": False, "reason": f"not done after {limit} steps"}
        note(stage, observation, request, frames, step)
        frames.actions[step] = action
        observation, is_done = stage.step(tremor.disturbed(action) if tremor else action)
        if is_done:
            if request["pictures"]:
                develop(frames, step + 1, request["jpeg_quality"])
            return {"frames": step + 1, "success": True, "reason": "", **kept_scene(stage, request)}
    return {"frames": step + 1, "success": False, "reason": "all its attempts failed"}


def note(stage: Stage, observation: Message, request: Message, frames: Frames, step: int) -> None:
    """Leaves in a frame what is wanted of the moment before an action."""
    if request["pictures"]:
        show(observation, stage.cameras, frames, step)
    else:
        frames.states[step] = state_of(observation)
    if request.get("model_file"):
        coordinates = stage.coordinates()
        frames.coordinates[step, : len(coordinates)] = coordinates


def kept_scene(stage: Stage, request: Message) -> Message:
    """Writes the scene where it is wanted; how many coordinates its states have."""
    if not request.get("model_file"):
        return {}
    Path(request["model_file"]).write_text(stage.scene_xml())
    return {"coordinates": len(stage.coordinates())}


def places(scene: Scene, job: Job) -> Vector:
    """Of what is to be moved, and of what it is to be put on where that can move too [N, 3]."""
    return np.stack([scene.position(name) for name in (job.thing, job.target) if scene.is_movable(name)])


def has_flown(drawn: Vector, rests: Vector) -> bool:
    """Whether any object [N, 3] came to rest elsewhere; all of them drop a little."""
    return bool(np.linalg.norm((rests - drawn)[:, :2], axis=1).max() > FURTHEST_M)


def at_rest(stage: Stage, request: Message) -> Message:
    """What is seen once things have come to rest."""
    for left in reversed(range(request.get("wait_steps", SETTLING_STEPS))):
        stage.shutter.is_open = left == 0 and request["pictures"]
        observation, _ = stage.step(STANDING_STILL)
    return observation
