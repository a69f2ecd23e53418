"""What the scripted expert knows of a LIBERO scene: where things are, how high they reach, what is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
CELL = 0.005  # metres: heights are looked up on a grid of this width
SKY = 3.0  # metres: where rays start
HIDDEN_GROUP = 5
COLLISION_GROUP = 0


class Scene:
    """Reads robosuite's environment `inner`; changes nothing in it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._site = inner.robots[0].eef_site_id

    @property
    def model(self) -> Any:
        return self.inner.sim.model._model

    @property
    def data(self) -> Any:
        return self.inner.sim.data._data

    @property
    def hand(self) -> Vector:
        """Where the middle between the fingertips is."""
        return np.array(self.data.site_xpos[self._site])

    @property
    def hand_axes(self) -> Vector:
        """Its axes as columns: the fingers open along the first, the hand points along the third."""
        return np.array(self.data.site_xmat[self._site]).reshape(3, 3)

    def goals(self) -> list[tuple[str, ...]]:
        """What must be so in the end, e.g. ("on", "akita_black_bowl_1", "plate_1")."""
        return [tuple(goal) for goal in self.inner.parsed_problem["goal_state"]]

    def category(self, name: str) -> str:
        return str(self.inner.get_object(name).category_name)

    def is_movable(self, name: str) -> bool:
        return name in self.inner.objects_dict

    def position(self, name: str) -> Vector:
        """Of an object, a fixture or a region."""
        if name in self.inner.obj_body_id:
            return np.array(self.data.xpos[self.inner.obj_body_id[name]])
        site = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_SITE, name)
        if site < 0:
            raise LookupError(name)
        return np.array(self.data.site_xpos[site])

    def axes(self, name: str) -> Vector:
        """Of an object, as columns."""
        return np.array(self.data.xmat[self.inner.obj_body_id[name]]).reshape(3, 3)

    def points(self, name: str) -> Vector:
        """The corners of an object's collision shapes, in the world [N, 3]."""
        corners = [self._corners(geom) for geom in self._geoms(self.inner.obj_body_id[name])]
        return np.concatenate(corners)

    def _geoms(self, root: int) -> list[int]:
        """The collision shapes of a body and of what hangs on it."""
        inside = {root}
        for body in range(root + 1, self.model.nbody):
            if self.model.body_parentid[body] in inside:
                inside.add(body)
        return [
            geom
            for geom in range(self.model.ngeom)
            if self.model.geom_bodyid[geom] in inside and self.model.geom_group[geom] in (COLLISION_GROUP, HIDDEN_GROUP)
        ]

    def _corners(self, geom: int) -> Vector:
        model = self.model
        mesh = model.geom_dataid[geom]
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            local = np.array(model.mesh_vert[first : first + count], np.float64)
        else:
            local = _box(model.geom_type[geom], model.geom_size[geom])
        turned: Vector = local @ np.array(self.data.geom_xmat[geom]).reshape(3, 3).T + self.data.geom_xpos[geom]
        return turned

    @contextmanager
    def without(self, name: str) -> Iterator["Heights"]:
        """How high the scene reaches, robot and one object left out."""
        model = self.model
        robot = [geom for geom in range(model.ngeom) if _is_of_robot(model, geom)]
        hidden = [*robot, *self._geoms(self.inner.obj_body_id[name])]
        before = model.geom_group[hidden].copy()
        model.geom_group[hidden] = HIDDEN_GROUP
        try:
            yield Heights(model, self.data)
        finally:
            model.geom_group[hidden] = before


class Heights:
    """Looks down on the scene with rays, each cell once."""

    def __init__(self, model: Any, data: Any) -> None:
        self._model, self._data = model, data
        self._known: dict[tuple[int, int], float] = {}
        self._groups = np.array([1, 0, 0, 0, 0, 0], np.uint8)

    def highest(self, places: Vector) -> float:
        """The highest point under any of the places [N, 2]."""
        cells = {(round(float(x) / CELL), round(float(y) / CELL)) for x, y in places}
        return max(self._height(cell) for cell in cells)

    def _height(self, cell: tuple[int, int]) -> float:
        if cell not in self._known:
            eye = np.array([cell[0] * CELL, cell[1] * CELL, SKY])
            hit = np.zeros(1, np.int32)
            distance = mujoco.mj_ray(self._model, self._data, eye, np.array([0.0, 0.0, -1.0]), self._groups, 1, -1, hit)
            self._known[cell] = SKY - distance if distance >= 0 else 0.0
        return self._known[cell]


def _is_of_robot(model: Any, geom: int) -> bool:
    name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_BODY, model.geom_bodyid[geom]) or ""
    return bool(name.startswith(("robot0_", "gripper0_", "mount0_")))


def _box(kind: int, size: Vector) -> Vector:
    """The corners of the box around a plain shape."""
    radius, half = size[0], size[1]
    halves = {
        int(mujoco.mjtGeom.mjGEOM_SPHERE): (radius, radius, radius),
        int(mujoco.mjtGeom.mjGEOM_CAPSULE): (radius, radius, radius + half),
        int(mujoco.mjtGeom.mjGEOM_CYLINDER): (radius, radius, half),
    }.get(int(kind), tuple(size))
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    corners: Vector = signs * np.array(halves)
    return corners


def spread(middle: Vector, along: Vector, half_length: float, half_width: float, steps: int = 5) -> Vector:
    """Places [N, 2] that cover a rectangle around `middle`, whose length lies `along` a unit vector."""
    across = np.array([-along[1], along[0]])
    lengths = np.linspace(-half_length, half_length, steps)
    widths = np.linspace(-half_width, half_width, 3)
    return np.array([middle[:2] + one * along[:2] + other * across for one in lengths for other in widths])
