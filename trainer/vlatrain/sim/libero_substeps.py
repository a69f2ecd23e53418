"""The substeps of a control step without computing anything twice, equal to the last bit. Runs in a worker's Python.

Robosuite computes all of a substep's physics three times: before the controller, by the controller for itself, and when
it moves the joints. Kinematics, collisions and velocities are the same each time, because joints move only at the end.
What begins where the last computation ended (the solver of contacts, also by the number of its calls) is done thrice as
before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco

LARGEST = 1e10
"""Where a coordinate is beyond it, or no number, MuJoCo resets everything as a step begins."""


class Substeps:
    """Stands before a simulation's `forward` and `step` as long as nothing but controls is changed between them."""

    def __init__(self, sim: Any) -> None:
        self._model, self._data = sim.model._model, sim.data._data
        self._places, self._speeds = self._data.qpos, self._data.qvel
        self._known: tuple[bytes, bytes] | None = None

    def forward(self) -> None:
        now = self._now()
        if now == self._known:
            mujoco.mj_forwardSkip(self._model, self._data, mujoco.mjtStage.mjSTAGE_VEL, 0)
        else:
            mujoco.mj_forward(self._model, self._data)
        self._known = now

    def step(self, with_udd: bool = True) -> None:
        if self._now() == self._known and self._is_sane():
            mujoco.mj_step2(self._model, self._data)
        else:
            mujoco.mj_step(self._model, self._data)
        self._known = None

    def _now(self) -> tuple[bytes, bytes]:
        return self._places.tobytes(), self._speeds.tobytes()

    def _is_sane(self) -> bool:
        """Whether a whole step would surely not reset the simulation."""
        squares = self._places @ self._places + self._speeds @ self._speeds
        return bool(squares < LARGEST**2)


@contextmanager
def substeps(sim: Any) -> Iterator[None]:
    """Around one control step of robosuite's. An integrator that looks at several moments is left alone."""
    if sim.model._model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
        yield
        return
    made = Substeps(sim)
    sim.forward, sim.step = made.forward, made.step
    try:
        yield
    finally:
        del sim.forward, sim.step
