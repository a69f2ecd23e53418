"""LIBERO as the published evaluation plays it, whatever was played before: runs in a worker's Python.

Source of the protocol: experiments/robot/libero/{run_libero_eval,libero_utils}.py of openvla/openvla. There one
environment serves all trials of a task: it is seeded once, and each trial resets it. The places of fixtures are drawn
in those resets, so trial 3 belongs to the fourth reset after the seed. Here any worker plays any trial: it draws what
the earlier resets would have drawn; and a reset puts the loaded scene back instead of loading it anew (libero_reload).
"""

from vlatrain.sim.developing import store
from vlatrain.sim.libero_demonstrator import demonstrate
from vlatrain.sim.libero_rendering import render
from vlatrain.sim.libero_stage import STANDING_STILL, Shutter, Stage, show
from vlatrain.sim.libero_versions import refusal, versions
from vlatrain.sim.protocol import Frames, Message
from vlatrain.sim.worker import Refused

SEED = 0
"""The published evaluation's, whatever the seed of the run."""


class LiberoSimulation:
    """Plays what a worker is asked for, on one task at a time."""

    def __init__(self, frames: Frames) -> None:
        self.versions = versions()
        if reason := refusal(self.versions.get("mujoco")):
            raise Refused(reason)
        self._frames = frames
        self._shutter = Shutter()
        self._place: tuple[str, int] | None = None
        self._stage: Stage | None = None
        self._is_stored = False

    def start(self, request: Message) -> None:
        """Puts the task's initial state number `trial`, then stands still for `wait_steps` as things come to rest.

        With `stored` all pictures of the episode are left as a data set would have stored them.
        """
        self._is_stored = request.get("stored", False)
        stage = self._stage_of(request["suite"], request["task"])
        waits = request["wait_steps"]
        self._shutter.is_open = False
        stage.reset(SEED, request["trial"])
        self._shutter.is_open = waits == 0
        observation = stage.put(stage.initial_states[request["trial"]])
        for left in reversed(range(waits)):
            self._shutter.is_open = left == 0
            observation, _ = stage.step(STANDING_STILL)
        self._show(observation, stage, 0)

    def act(self, action: list[float], frame: int | None) -> bool:
        assert self._stage is not None, "an action before the start"
        self._shutter.is_open = frame is not None
        observation, is_done = self._stage.step(action)
        if frame is not None:
            self._show(observation, self._stage, frame)
        return is_done

    def _show(self, observation: Message, stage: Stage, frame: int) -> None:
        show(observation, stage.cameras, self._frames, frame)
        if self._is_stored:
            store(self._frames, frame)

    def demonstrate(self, request: Message) -> Message:
        """Lets the expert play a fresh scene; frames and actions of all steps stay in the memory."""
        stage = self._stage_of(request["suite"], request["task"])
        return demonstrate(stage, request, self._frames)

    def render(self, request: Message) -> Message:
        """Takes pictures of the simulator states in the memory, nothing being played."""
        stage = self._stage_of(request["suite"], request["task"])
        return render(stage, request, self._frames)

    def _stage_of(self, suite: str, task: int) -> Stage:
        if self._stage is None or self._place != (suite, task):
            if self._stage is not None:
                self._stage.close()
            self._stage = None
            self._shutter.is_open = False
            self._stage = Stage(suite, task, self._frames.layout, self._shutter)
            self._place = (suite, task)
        return self._stage


def make_simulation(frames: Frames) -> LiberoSimulation:
    return LiberoSimulation(frames)
