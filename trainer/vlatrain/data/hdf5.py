"""LIBERO's own HDF5 demonstrations as episodes, turned and cleaned as the published RLDS sets were made from them.

One file a task: `data/demo_N/{actions, obs/agentview_rgb}`, and the instruction in the attribute `problem_info`. The
wrist camera's pictures and the hand's states are read where they are there.
Source: openvla's experiments/robot/libero/regenerate_libero_dataset.py, which also replays and renders anew.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.actions import ACTION_DIM
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

CAMERA, WRIST = "agentview_rgb", "eye_in_hand_rgb"
STATES = ("ee_states", "gripper_states")
STILL = 1e-4
"""Below this length of the six motions, and with the gripper as before, an action does nothing."""


def hdf5_files(folder: Path) -> list[Path]:
    """The demonstration files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in {".hdf5", ".h5"})


def hdf5_episodes(folder: Path) -> Iterator[Episode]:
    """Every demonstration of every file. Raises TrainerError for files that are no LIBERO demonstrations."""
    h5py = h5py_module()
    for path in hdf5_files(folder):
        with named(path):
            file = h5py.File(path)
        with file:
            yield from _demonstrations(path, file)


@contextmanager
def named(*where: object) -> Iterator[None]:
    """What h5py and numpy raise for a file of another make, as a TrainerError that says where."""
    try:
        yield
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        place = ": ".join(map(str, where))
        told = ": ".join(map(str, error.args))
        raise TrainerError(f"{place}: cannot be read as LIBERO's HDF5: {told}") from error


def h5py_module() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise TrainerError("HDF5 demonstrations need h5py: pip install 'vlatui[data]'") from error
    return h5py  # type: ignore[no-any-return]  # untyped upstream


def _demonstrations(path: Path, file: Any) -> Iterator[Episode]:
    with named(path):
        data = file["data"]
        instruction = instruction_of(path, data.attrs)
        names = sorted(data, key=number_of)
    for name in names:
        with named(path, name):
            episode = _demonstration(path.stem, instruction, data[name])
        if len(episode):
            yield episode


def _demonstration(task: str, instruction: str, demonstration: Any) -> Episode:
    """One recording without the frames that do nothing. Raises ValueError for what is not of LIBERO's form."""
    actions, seen = np.asarray(demonstration["actions"], np.float32), demonstration["obs"]
    if CAMERA not in seen and "states" in demonstration:
        raise ValueError(f"no {CAMERA}; vlad demos --render makes pictures of its states")
    if not np.isfinite(actions).all():
        raise ValueError("actions holds numbers that are not finite")
    if actions.shape != (len(seen[CAMERA]), ACTION_DIM):
        raise ValueError(f"actions {actions.shape} for {len(seen[CAMERA])} images; 7 a frame are needed")
    kept = moving(actions)

    def recorded(key: str) -> NDArray[Any]:
        if len(seen[key]) != len(actions):
            raise ValueError(f"{key} has {len(seen[key])} frames, actions {len(actions)}")
        return np.asarray(seen[key])[kept]

    has_states = set(STATES) <= set(seen)
    return Episode(
        task=task,
        instruction=instruction,
        images=recorded(CAMERA)[:, ::-1, ::-1],
        actions=actions[kept],
        wrist_images=recorded(WRIST)[:, ::-1, ::-1] if WRIST in seen else None,
        states=np.concatenate([recorded(key) for key in STATES], axis=1, dtype=np.float32) if has_states else None,
    )


def number_of(name: str) -> int:
    """N of demo_N."""
    return int(re.sub(r"\D", "", name) or 0)


def instruction_of(path: Path, attributes: Any) -> str:
    """What problem_info says, which some files hold as a list of words' letters; else the name of the file."""
    if "problem_info" in attributes:
        return "".join(json.loads(attributes["problem_info"])["language_instruction"]).strip('"')
    return path.stem.removesuffix("_demo").replace("_", " ")


def moving(actions: NDArray[np.float32]) -> NDArray[np.int64]:
    """The places of actions [T,7] that do something: others teach a policy to stand still."""
    kept: list[int] = []
    for place, action in enumerate(actions):
        same_gripper = not kept or action[-1] == actions[kept[-1], -1]
        if np.linalg.norm(action[:-1]) >= STILL or not same_gripper:
            kept.append(place)
    return np.array(kept, np.int64)
