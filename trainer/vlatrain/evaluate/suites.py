"""Suites of tasks by name, and what a simulator must offer to be evaluated on."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vlatrain.errors import TrainerError

Image = NDArray[np.uint8]


class Ending(NamedTuple):
    """After an action: whether the episode is over, and whether it succeeded."""

    is_over: bool
    success: bool


class Simulator(Protocol):
    """One environment of one task. `image` is what the camera shows now, uint8 [H, W, 3]."""

    image: Image

    def start(self, trial: int) -> None:
        """Puts the task's fixed initial state number `trial`."""

    def act(self, action: NDArray[np.float64]) -> Ending:
        """One action [7] in the simulator's own units, gripper -1 (open) or +1 (close)."""

    def close(self) -> None: ...


class Suite(Protocol):
    """Tasks in a fixed order; an instruction is what the robot is told."""

    name: str
    instructions: tuple[str, ...]

    def open(self, task: int) -> Simulator: ...


class TabletopSuite:
    """The tasks of the embedded simulator."""

    def __init__(self, name: str, max_steps: int | None) -> None:
        from vlatrain.sim.tabletop import SUITES

        if name not in SUITES:
            raise TrainerError(f"eval_task_suite_name {name}: no such suite; there are {', '.join(SUITES)}")
        self.name = name
        self.instructions = tuple(task.instruction for task in SUITES[name])
        self._max_steps = max_steps

    def open(self, task: int) -> Simulator:
        return TabletopSimulator(self.name, task, self._max_steps)


class TabletopSimulator:
    """One table; costs nothing to open."""

    def __init__(self, suite: str, task: int, max_steps: int | None) -> None:
        from vlatrain.sim.tabletop import make_env

        self._env = make_env(suite, task, max_steps=max_steps)
        self.image: Image = np.zeros((1, 1, 3), np.uint8)

    def start(self, trial: int) -> None:
        self.image, _ = self._env.reset(options={"init_state": trial})

    def act(self, action: NDArray[np.float64]) -> Ending:
        self.image, _, is_done, is_cut, info = self._env.step(action.astype(np.float32))
        return Ending(is_done or is_cut, bool(info["success"]))

    def close(self) -> None:
        self._env.close()


def open_suite(name: str, max_steps: int | None) -> Suite:
    """The suite of that name; `max_steps` None takes its own limit. Raises TrainerError for a name that is none."""
    if name.startswith("tabletop_"):
        return TabletopSuite(name, max_steps)
    if name.startswith("libero_"):
        raise TrainerError(
            f"eval_task_suite_name {name}: the LIBERO simulator comes with the [libero] extra, which this version "
            "does not have; set enable_periodic_eval false, or evaluate on tabletop_new"
        )
    raise TrainerError(f"eval_task_suite_name {name}: no such suite; names begin with tabletop_ or libero_")
