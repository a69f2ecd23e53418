"""One task of LIBERO on stage: its scenes, its pictures and the hand's state. Runs in a worker's Python."""

from contextlib import redirect_stdout
from sys import stderr
from typing import Any

import numpy as np
from libero.libero.benchmark import get_benchmark
from libero.libero.envs import OffScreenRenderEnv
from numpy.typing import NDArray
from robosuite.utils.binding_utils import MjSim
from robosuite.utils.errors import RandomizationError
from robosuite.utils.transform_utils import quat2axisangle

from vlatrain.sim.libero_reload import LoadedScene, watched_loading
from vlatrain.sim.libero_shelf import shared_scenes
from vlatrain.sim.libero_substeps import substeps
from vlatrain.sim.protocol import Frames, Layout, Message

CAMERAS = ("agentview", "robot0_eye_in_hand")
PROPRIOCEPTION = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
STANDING_STILL = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0]


class Shutter:
    """Stands before the renderer of all simulations of this process: shut, it hands out black pictures at no cost.

    Robosuite decides within a step when a camera looks; cameras left on behind a shut shutter keep those moments.
    """

    def __init__(self) -> None:
        self.is_open = True
        self._render = MjSim.render
        MjSim.render = lambda sim, *words, **named: self._picture(sim, *words, **named)

    def _picture(self, sim: Any, *words: Any, **named: Any) -> Any:
        if self.is_open:
            return self._render(sim, *words, **named)
        return np.zeros((named["height"], named["width"], 3), np.uint8)


class Stage:
    """One task's environment. `inner` is robosuite's own, without LIBERO's wrapper that swallows every error."""

    def __init__(self, suite: str, task: int, layout: Layout, shutter: Shutter) -> None:
        with redirect_stdout(stderr), shared_scenes(), watched_loading() as bodies:
            benchmark = get_benchmark(suite)()
            self.initial_states = benchmark.get_task_init_states(task)
            self._wrapper = OffScreenRenderEnv(
                bddl_file_name=benchmark.get_task_bddl_file_path(task),
                camera_names=list(CAMERAS[: layout.cameras]),
                camera_heights=layout.size,
                camera_widths=layout.size,
            )
        self.inner = self._wrapper.env
        self.instruction = benchmark.get_task(task).language
        self.cameras = CAMERAS[: layout.cameras]
        self.shutter = shutter
        self._scene = LoadedScene(self.inner, bodies)

    def reset(self, seed: int, number: int) -> None:
        """The scene after `number` + 1 resets that follow the seed."""
        np.random.seed(seed)
        self._scene.forget_openings()
        for _ in range(number):
            self._until_placed(self._scene.draw)
        self._until_placed(self.inner.reset)

    def _until_placed(self, attempt: Any) -> None:
        """LIBERO tries again where objects found no place; its own loop would do so after any error."""
        while True:
            try:
                attempt()
            except RandomizationError:
                continue
            return

    def put(self, state: NDArray[np.float64]) -> Message:
        """The scene in that state."""
        observation: Message = self._wrapper.set_init_state(state)
        return observation

    def step(self, action: Any) -> tuple[Message, bool]:
        """One control step: what is seen then, and whether the task is done."""
        with substeps(self.inner.sim):
            observation, _, is_done, _ = self.inner.step(action)
        return observation, bool(is_done)

    def coordinates(self) -> NDArray[np.float64]:
        """The simulator's state as LIBERO's files hold it: time, positions and velocities of all joints [C]."""
        flat: NDArray[np.float64] = self.inner.sim.get_state().flatten()
        return flat

    def scene_xml(self) -> str:
        """The model, with fixtures where they stand in this scene."""
        xml: str = self.inner.sim.model.get_xml()
        return xml

    def close(self) -> None:
        self._scene.close()
        self._wrapper.close()


def show(observation: Message, cameras: tuple[str, ...], frames: Frames, place: int) -> None:
    """Leaves what is seen in a frame: pictures turned by half a circle, as the published data sets hold them."""
    for number, camera in enumerate(cameras):
        frames.images[place, number] = observation[f"{camera}_image"][::-1, ::-1]
    frames.states[place] = state_of(observation)


def state_of(observation: Message) -> NDArray[np.float64]:
    """The eight numbers that the published data sets call `state`."""
    turn = quat2axisangle(observation["robot0_eef_quat"].copy())
    return np.concatenate([observation["robot0_eef_pos"], turn, observation["robot0_gripper_qpos"]])
