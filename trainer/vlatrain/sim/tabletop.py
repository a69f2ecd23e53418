"""The embedded tabletop simulator as a Gymnasium environment: blocks, bowls, a gripper and one sentence to obey."""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from vlatrain.sim.tabletop_camera import IMAGE_SIZE, render
from vlatrain.sim.tabletop_expert import STEP_LIMIT, demonstrations, scripted_action
from vlatrain.sim.tabletop_physics import advance, rests_in_bowl
from vlatrain.sim.tabletop_scene import Scene
from vlatrain.sim.tabletop_suites import SUITES, Task, evaluation_scene, suite_tasks, task_scene

__all__ = ["SUITES", "TabletopEnv", "Task", "demonstrations", "expert_action", "make_env", "suite_tasks"]

Image = npt.NDArray[np.uint8]


class TabletopEnv(gymnasium.Env[Image, npt.NDArray[np.float32]]):
    """One task. Observation: the camera picture, uint8 [size, size, 3]. Action: float32 [7] in -1…1 as LIBERO's.

    `reset(options={"init_state": k})` starts on the task's fixed evaluation state k, `reset(seed=s)` on a table drawn
    from s. An episode terminates with reward 1 when the named block rests in the named bowl, and is truncated after
    `max_steps`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  Gymnasium's own attribute

    def __init__(
        self,
        task: Task,
        image_size: int = IMAGE_SIZE,
        max_steps: int = STEP_LIMIT,
        render_mode: str | None = None,
    ) -> None:
        self.task = task
        self.image_size = image_size
        self.max_steps = max_steps
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (7,), np.float32)
        self.scene: Scene = evaluation_scene(task, 0)
        self.steps = 0

    @property
    def instruction(self) -> str:
        """What the robot is told."""
        return self.task.instruction

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Image, dict[str, Any]]:
        """Start an episode; options: `init_state`, the number of a fixed evaluation state."""
        super().reset(seed=seed)
        options = options or {}
        if unknown := set(options) - {"init_state"}:
            raise ValueError(f"unknown reset options {sorted(unknown)}; there is init_state")
        state = options.get("init_state")
        self.scene = task_scene(self.task, self.np_random) if state is None else evaluation_scene(self.task, state)
        self.steps = 0
        return self._observation(), self._info()

    def step(self, action: npt.NDArray[np.float32]) -> tuple[Image, float, bool, bool, dict[str, Any]]:
        """One action; raises ValueError where it is not seven finite numbers."""
        if np.shape(action) != (7,) or not np.isfinite(action).all():
            raise ValueError(f"an action is seven finite numbers, not {action!r}")
        self.scene = advance(self.scene, action.tolist())
        self.steps += 1
        info = self._info()
        success = bool(info["success"])
        return self._observation(), float(success), success, self.steps >= self.max_steps and not success, info

    def render(self) -> Image | None:
        """The camera picture in the render mode `rgb_array`, else None."""
        return self._observation() if self.render_mode == "rgb_array" else None

    def _observation(self) -> Image:
        return render(self.scene, self.image_size)

    def _info(self) -> dict[str, Any]:
        return {
            "success": rests_in_bowl(self.scene, self.task.block, self.task.bowl),
            "instruction": self.task.instruction,
        }


def make_env(suite: str, task_index: int, image_size: int = IMAGE_SIZE, max_steps: int | None = None) -> TabletopEnv:
    """The environment of one task of a suite; `max_steps` None takes the simulator's own limit."""
    return TabletopEnv(suite_tasks(suite)[task_index], image_size, STEP_LIMIT if max_steps is None else max_steps)


def expert_action(env: TabletopEnv) -> npt.NDArray[np.float32]:
    """What the scripted expert would do now."""
    return scripted_action(env.scene, env.task)
