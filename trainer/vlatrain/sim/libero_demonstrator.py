"""Lets the scripted expert play fresh scenes, and keeps what it saw and did."""

from typing import TYPE_CHECKING

import numpy as np

from vlatrain.sim.libero_expert import CannotError, Expert
from vlatrain.sim.protocol import Frames, Message

if TYPE_CHECKING:
    from vlatrain.sim.libero import Stage

SETTLING_STEPS = 20
STANDING_STILL = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0]


class Tremor:
    """Noise in what is executed, never in what is recorded: the recorded actions then show how to recover."""

    def __init__(self, seed: int, amount: float) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self._amount = amount
        self._noise = np.zeros(3)

    def disturbed(self, action: list[float]) -> list[float]:
        """The action with first-order noise on its three motions; `amount` is its standard deviation."""
        if not self._amount:
            return action
        self._noise = 0.8 * self._noise + 0.6 * self._rng.normal(0, self._amount, 3)
        return [*np.clip(np.array(action[:3]) + self._noise, -1, 1).tolist(), *action[3:]]


def demonstrate(stage: "Stage", request: Message, frames: Frames) -> Message:
    """Plays a scene drawn from `seed`, or the benchmark's own state `trial`; see protocol for where the frames go.

    `noise` is the standard deviation of the disturbance; without `pictures` nothing is rendered.
    """
    from vlatrain.sim.libero import show

    stage.shutter.is_open = False
    stage.reset(request["seed"], 0)
    if request.get("trial") is not None:
        stage.put(stage.initial_states[request["trial"]])
    for left in reversed(range(SETTLING_STEPS)):
        stage.shutter.is_open = left == 0 and request["pictures"]
        observation, _ = stage.step(STANDING_STILL)
    tremor = Tremor(request["seed"], request["noise"])
    try:
        expert = Expert(stage.inner)
    except CannotError as error:
        return {"frames": 0, "success": False, "reason": str(error)}
    limit = min(frames.layout.frames, request["limit"])
    for step, action in enumerate(expert.actions()):
        if step == limit:
            return {"frames": limit, "success": False, "reason": f"not done after {limit} steps"}
        if request["pictures"]:
            show(observation, stage.cameras, frames, step)
        frames.actions[step] = action
        observation, is_done = stage.step(tremor.disturbed(action))
        if is_done:
            return {"frames": step + 1, "success": True, "reason": ""}
    return {"frames": step + 1, "success": False, "reason": "three attempts failed"}
