"""What the seven numbers of an action mean: as stored, as trained on, and as a simulator wants them.

Stored (LIBERO): six motions, and a gripper of -1 (open) to +1 (close). Trained on: a gripper of 1 (open) to 0 (closed),
motions mapped from their 1 % and 99 % quantiles to -1..1 (BOUNDS_Q99), as in openvla's prismatic/vla/datasets/rlds.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vlatrain.errors import TrainerError

ACTION_DIM = 7
STATE_DIM = 8
"""Hand position, its rotation as axis times angle, and both fingers: what the published sets call `state`."""
GRIPPER = 6
MASK = (True,) * GRIPPER + (False,)

Floats = NDArray[np.float32]


class ActionStatistics(TypedDict):
    """One list of seven a key; `mask` is false where an action is not normalised (the gripper)."""

    mean: list[float]
    std: list[float]
    max: list[float]
    min: list[float]
    q01: list[float]
    q99: list[float]
    mask: list[bool]


def libero_gripper(actions: Floats) -> Floats:
    """Stored actions [..., 7] with the gripper turned from -1 open, +1 close into 1 open, 0 closed."""
    turned = actions.astype(np.float32, copy=True)
    turned[..., GRIPPER] = 1 - np.clip(turned[..., GRIPPER], 0, 1)
    return turned


# The transform of a data set is known by the beginning of its name. Tabletop sets store actions exactly as LIBERO's do.
TRANSFORMS: dict[str, Callable[[Floats], Floats]] = {"libero_": libero_gripper, "tabletop_": libero_gripper}


def transform_for(dataset_name: str) -> Callable[[Floats], Floats]:
    """The published transform from stored to standard actions. Raises TrainerError where the convention is unknown."""
    for beginning, transform in TRANSFORMS.items():
        if dataset_name.startswith(beginning):
            return transform
    known = ", ".join(f"{beginning}*" for beginning in TRANSFORMS)
    raise TrainerError(
        f"dataset_name: no action convention is known for {dataset_name!r} (known: {known}); "
        f"a set with LIBERO's convention (gripper -1 open, +1 close) is read once its folder is libero_{dataset_name}"
    )


def normalise(actions: ArrayLike, statistics: ActionStatistics) -> Floats:
    """Standard actions [..., 7] to -1..1, clipped; the gripper unchanged; numbers that never vary become 0."""
    values = np.asarray(actions, np.float32)
    low, high = _bounds(statistics)
    scaled = np.clip(2 * (values - low) / (high - low + 1e-8) - 1, -1, 1)
    chosen = np.where(statistics["mask"], scaled, values)
    constant = np.asarray(statistics["min"]) == np.asarray(statistics["max"])
    return np.where(constant, 0, chosen).astype(np.float32)


def unnormalise(actions: ArrayLike, statistics: ActionStatistics) -> NDArray[np.float64]:
    """Predicted actions [..., 7] in -1..1 back to standard units; the gripper unchanged."""
    values = np.asarray(actions, np.float64)
    low, high = _bounds(statistics)
    return np.where(statistics["mask"], 0.5 * (values + 1) * (high - low) + low, values)


def to_environment(actions: ArrayLike) -> NDArray[np.float64]:
    """Standard actions [..., 7] as LIBERO and the tabletop take them: gripper -1 (open) or +1 (close)."""
    values = np.array(actions, np.float64)
    values[..., GRIPPER] = -np.sign(2 * values[..., GRIPPER] - 1)
    return values


def _bounds(statistics: ActionStatistics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(statistics["q01"], np.float64), np.asarray(statistics["q99"], np.float64)


def summarise(actions: Floats, mask: Sequence[bool] = MASK) -> ActionStatistics:
    """The published statistics of standard actions [N, 7]; population std, linear quantiles."""
    q01, q99 = np.quantile(actions, (0.01, 0.99), axis=0)
    return ActionStatistics(
        mean=actions.mean(0, dtype=np.float64).tolist(),
        std=actions.std(0, dtype=np.float64).tolist(),
        max=actions.max(0).tolist(),
        min=actions.min(0).tolist(),
        q01=q01.tolist(),
        q99=q99.tolist(),
        mask=list(mask),
    )
