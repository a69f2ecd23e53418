"""Resets of a scene without loading it anew, equal to the last bit. Runs in a worker's Python.

Robosuite's hard reset builds the robots, compiles the model and makes a renderer, which takes seconds. All of it is the
same every time; what an episode leaves behind is the simulator's data, the places of fixtures, and how far the fingers
are commanded. Here the loaded scene is put back instead, and the rest of the reset is robosuite's and LIBERO's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from robosuite.environments.base import MujocoEnv

Bodies = dict[str, NDArray[np.float64]]
"""Where bodies stand in their parents, by the name of the model's array"""


@contextmanager
def watched_loading() -> Iterator[Bodies]:
    """Gets what the last model loaded within it says of its bodies, before anything is placed."""
    found: Bodies = {}
    initialise = MujocoEnv._initialize_sim

    def watched(env: Any, xml_string: str | None = None) -> None:
        initialise(env, xml_string)
        found.update({name: getattr(env.sim.model, name).copy() for name in ("body_pos", "body_quat")})

    MujocoEnv._initialize_sim = watched
    try:
        yield found
    finally:
        MujocoEnv._initialize_sim = initialise


class LoadedScene:
    """Takes the place of loading in the resets of one environment, `inner`, whose model held `bodies` when loaded."""

    def __init__(self, inner: Any, bodies: Bodies) -> None:
        self._inner, self._bodies = inner, bodies
        self._initializers = list(inner.object_property_initializers)
        self._replaced: dict[str, Callable[..., None]] = {
            "_destroy_viewer": lambda: None,
            "_destroy_sim": lambda: None,
            "_load_model": self._load,
            "_initialize_sim": self._initialise,
        }
        for name, instead in self._replaced.items():
            setattr(inner, name, instead)

    def forget_openings(self) -> None:
        """As of an environment that has not been reset yet."""
        self._inner.object_property_initializers[:] = self._initializers

    def draw(self) -> None:
        """What a reset does to the generator, in milliseconds."""
        self._load()
        self._initialise()
        self._inner._reset_internal()

    def close(self) -> None:
        """Lets the environment destroy what it has."""
        for name in self._replaced:
            delattr(self._inner, name)

    def _load(self) -> None:
        """Each loading appends the openings of doors and drawers once more; robots come with their fingers at rest."""
        self._inner.object_property_initializers += self._initializers
        for robot in self._inner.robots:
            robot.gripper.current_action = np.zeros(robot.gripper.dof)

    def _initialise(self, xml_string: str | None = None) -> None:
        assert xml_string is None, "another scene has to be loaded"
        for name, values in self._bodies.items():
            getattr(self._inner.sim.model, name)[:] = values
        self._inner.sim.reset()
        for _ in range(
            1 + self._inner.has_offscreen_renderer
        ):  # a new renderer does so once more, and solvers remember
            self._inner.sim.forward()
        self._inner.initialize_time(self._inner.control_freq)
