"""The scripted expert of LIBERO: picks an object up and puts it where it belongs, looking at the simulator's own state.

Every action follows from the state before it, so the expert goes on rightly after any disturbance on a leg of its way.
It never waits for a place to be reached before it does the next thing: it comes down in a funnel, and its fingers close
while the hand still sinks. What it does near such a place is then the same on both sides of it, and a policy that sees
only roughly where the hand is does not learn to stand still there. It goes aside more and more as it gains height,
since an arm at its limit rises no further; what fell it takes up again, and at first in the same way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vlatrain.sim.libero_grasp import (
    HAND_HALF_LENGTH,
    HAND_HALF_WIDTH,
    PALM,
    UP,
    Grasp,
    finger_direction,
    grasps,
    turned,
)
from vlatrain.sim.libero_scene import Scene, Vector, spread

OPEN, CLOSED = -1.0, 1.0
STEP = 0.05  # metres of a unit of action
TURN = 0.5  # radians of a unit of action
GAIN = 2.0
INTEGRAL_GAIN, INTEGRAL_ZONE = 0.15, 0.02
GRIP_STEPS = 10
CLOSE_WITHIN = 0.015  # metres from the grasp at which the fingers begin to close
PATIENCE = 4  # steps without progress after which a leg ends
FUNNEL, FUNNEL_FOOT, FUNNEL_TURN = 3.5, 0.008, 0.2  # metres of height a metre aside of the foot, and a radian of turn
FUNNEL_SHUT, WIDE = 1.0, 0.06  # metres of height a metre that open fingers lack of being this wide open
RISING, CROSSING = 0.08, 0.04  # metres below the height to be had at which it only rises, and goes aside at full speed
MOST_LEG_STEPS = 120
PLACES = (0, 0, 3, 6)  # of its attempts among the grasps, the best first
OVER_GRASP, OVER_OBSTACLES, LIFT, OVER_TARGET = 0.08, 0.06, 0.08, 0.10
OVER_WAY, NEARLY_ABOVE = 0.04, 0.03
LET_GO_ABOVE = 0.01
STRAIGHT = 0.06  # radians from the wanted turn that are near enough
SLOW, SLOW_ZONE = 0.7, 0.08  # share of the full speed; metres to go of a leg that ends slowly

Action = list[float]


class CannotError(Exception):
    """The task is not of a kind that this expert can do."""


@dataclass(frozen=True)
class Job:
    """Put `thing` on or into `target`."""

    thing: str
    target: str


def job_of(scene: Scene) -> Job:
    """Raises CannotError for a goal other than one thing that is to be put somewhere."""
    goals = scene.goals()
    if len(goals) != 1 or goals[0][0] not in ("on", "in") or not scene.is_movable(goals[0][1]):
        raise CannotError(f"the expert cannot do {' and '.join(' '.join(goal) for goal in goals)}")
    return Job(goals[0][1], goals[0][2])


class Expert:
    """Plays one episode."""

    def __init__(self, inner: object) -> None:
        self.scene = Scene(inner)
        self.job = job_of(self.scene)
        self._straight = finger_direction(self.scene)
        self._turn = 0.0
        self._integral = np.zeros(3)

    def actions(self) -> Iterator[Action]:
        """Action after action; whoever executes them ends when the task is done."""
        for place in PLACES:
            found = grasps(self.scene, self.job.thing)
            grasp = found[min(place, len(found) - 1)]
            grasp = Grasp(grasp.point, grasp.turn + self._turn_now(), grasp.cost)
            yield from self._take(grasp)
            if self._holds():
                yield from self._bring()
            yield from self._rise()

    def _turn_now(self) -> float:
        """How far the hand has turned about the vertical since the start."""
        now = finger_direction(self.scene)
        return float(np.arctan2(self._straight[0] * now[1] - self._straight[1] * now[0], self._straight @ now))

    def _take(self, grasp: Grasp) -> Iterator[Action]:
        self._turn = grasp.turn
        over = grasp.point + OVER_GRASP * UP
        with self.scene.without(self.job.thing) as heights:
            travel = max(over[2], heights.highest(self._way(self.scene.hand, over)) + OVER_OBSTACLES)
        for action in self._come_down(grasp.point, travel, OPEN, 0.006):
            if np.linalg.norm(grasp.point - self.scene.hand) < CLOSE_WITHIN:
                break
            yield action
        for _ in range(GRIP_STEPS):
            yield self._towards(grasp.point, CLOSED, SLOW)

    def _holds(self) -> bool:
        """Whether something keeps the closed fingers apart near the object."""
        thing = self.scene.points(self.job.thing)
        return self._opening() > 0.002 and bool(np.linalg.norm(thing - self.scene.hand, axis=1).min() < 0.05)

    def _opening(self) -> float:
        """How far the fingers are apart."""
        joints = list(self.scene.inner.robots[0]._ref_gripper_joint_pos_indexes)
        return float(np.abs(self.scene.inner.sim.data.qpos[joints]).sum())

    def _bring(self) -> Iterator[Action]:
        """Lifts, carries the object's middle over the target, lowers it and lets go; ends where it falls."""
        scene, job = self.scene, self.job
        target = scene.position(job.target)
        start = scene.hand
        with scene.without(job.thing) as heights:
            ground = heights.highest(spread(target, np.array([1.0, 0.0, 0.0]), 0.02, 0.02, steps=3))
            hang = start[2] - float(scene.points(job.thing)[:, 2].min())
            blocked = heights.highest(self._way(start, target)) + hang + OVER_WAY
            walls = heights.highest(spread(target, finger_direction(scene), HAND_HALF_LENGTH, HAND_HALF_WIDTH, 9))
        height = max(start[2] + LIFT, target[2] + OVER_TARGET, blocked)
        low = max(ground + hang + LET_GO_ABOVE, walls - PALM + 0.015)
        offset = (scene.hand - scene.position(job.thing))[:2]  # the held object's middle shall get there, not the hand
        for action in self._come_down(np.array([*(target[:2] + offset), low]), height, CLOSED, 0.01):
            if not self._holds():
                return
            yield action
        there = self.scene.hand
        for _ in range(GRIP_STEPS):
            yield self._towards(there, OPEN)

    def _rise(self) -> Iterator[Action]:
        yield from self._go(self.scene.hand + OVER_GRASP * UP, OPEN, 0.03)

    def _way(self, start: Vector, end: Vector) -> Vector:
        """Places [N, 2] under the hand on its way, with room on both sides."""
        way = np.array(end[:2]) - start[:2]
        length = max(float(np.linalg.norm(way)), 1e-6)
        middle = np.array([*(start[:2] + way / 2), 0.0])
        along = np.array([*(way / length), 0.0])
        return spread(middle, along, length / 2 + 0.04, 0.08, steps=max(5, int(length / 0.02)))

    def _go(self, goal: Vector | list[float], grip: float, tolerance: float) -> Iterator[Action]:
        """A leg: ends within the tolerance, or when it gets no nearer."""
        goal = np.array(goal, np.float64)
        for _ in self._leg(goal, tolerance):
            yield self._towards(goal, grip)

    def _come_down(self, goal: Vector, height: float, grip: float, tolerance: float) -> Iterator[Action]:
        """A leg up to `height`, across, and down once it is nearly above the goal and turned; slow at its end.

        Where it rises no further although it should, it goes across all the same.
        """
        for least in (0.0, 1.0):
            for distance in self._leg(goal, tolerance, lambda: self._target(goal, height, grip)):
                target = self._target(goal, height, grip)
                lack = target[2] - self.scene.hand[2]
                share = float(np.clip((RISING - lack) / (RISING - CROSSING), least, 1.0))
                x, y, *others = self._towards(target, grip, SLOW if distance < SLOW_ZONE else 1.0)
                yield [share * x, share * y, *others]
            if np.linalg.norm((goal - self.scene.hand)[:2]) < NEARLY_ABOVE:
                return

    def _target(self, goal: Vector, height: float, grip: float) -> Vector:
        """Where the hand should be now: in the funnel above the goal, higher while its fingers are wrongly shut."""
        aside = max(0.0, float(np.linalg.norm((goal - self.scene.hand)[:2])) - FUNNEL_FOOT)
        room = FUNNEL * aside + FUNNEL_TURN * max(0.0, float(np.linalg.norm(self._twist())) - STRAIGHT)
        room += FUNNEL_SHUT * max(0.0, WIDE - self._opening()) if grip == OPEN else 0.0
        return np.array([*goal[:2], min(height, goal[2] + room)])

    def _leg(self, goal: Vector, tolerance: float, target: Callable[[], Vector] | None = None) -> Iterator[float]:
        """The distance to the goal, step after step, until it is reached or comes no nearer.

        Rising to a `target` above the hand counts as coming nearer.
        """
        self._integral[:] = 0
        best, idle = np.inf, 0
        for _ in range(MOST_LEG_STEPS):
            distance = float(np.linalg.norm(goal - self.scene.hand))
            twist = float(np.linalg.norm(self._twist()))
            if distance < tolerance and twist < STRAIGHT:
                return
            lack = max(0.0, float(target()[2] - self.scene.hand[2])) if target else 0.0
            measure = distance + 0.05 * twist + 2 * lack
            idle = 0 if measure < best - 5e-4 else idle + 1
            best = min(best, measure)
            if idle >= PATIENCE:
                return
            yield distance

    def _towards(self, goal: Vector, grip: float, fastest: float = 1.0) -> Action:
        error = goal - self.scene.hand
        near = np.abs(error) < INTEGRAL_ZONE
        self._integral = np.where(near, np.clip(self._integral + error, -0.05, 0.05), 0.0)
        motion = np.clip((GAIN * error + INTEGRAL_GAIN * self._integral) / STEP, -fastest, fastest)
        rotation = np.clip(self._twist() / TURN, -0.5, 0.5)
        return [*motion.tolist(), *rotation.tolist(), grip]

    def _twist(self) -> Vector:
        """The rotation, as axis times angle, from the hand's pose to straight down at the chosen turn."""
        fingers = turned(self._straight, self._turn)
        down = np.array([0.0, 0.0, -1.0])
        wanted = np.stack([fingers, np.cross(down, fingers), down], axis=1)
        return rotation_vector(wanted @ self.scene.hand_axes.T)


def rotation_vector(matrix: Vector) -> Vector:
    """Axis times angle of a rotation matrix."""
    cosine = np.clip((np.trace(matrix) - 1) / 2, -1.0, 1.0)
    angle = float(np.arccos(cosine))
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return np.zeros(3)
    turned_by: Vector = axis / length * angle
    return turned_by
