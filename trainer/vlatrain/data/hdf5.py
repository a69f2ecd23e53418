"""LIBERO's own HDF5 demonstrations as episodes, turned and cleaned as the published RLDS sets were made from them.

One file a task: `data/demo_N/{actions, obs/agentview_rgb}`, and the instruction in the attribute `problem_info`. The
wrist camera's pictures and the hand's states are read where they are there.
Source: openvla's experiments/robot/libero/regenerate_libero_dataset.py, which also replays and renders anew.
"""

import json
import re
from collections.abc import Iterator
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
        try:
            with h5py.File(path) as file:
                yield from _demonstrations(path, file)
        except (OSError, KeyError) as error:
            raise TrainerError(f"{path}: no LIBERO demonstrations in HDF5: {error}") from error


def h5py_module() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise TrainerError("HDF5 demonstrations need h5py: pip install 'vlatui[data]'") from error
    return h5py  # type: ignore[no-any-return]  # untyped upstream


def _demonstrations(path: Path, file: Any) -> Iterator[Episode]:
    instruction = _instruction(path, file["data"].attrs)
    for name in sorted(file["data"], key=_number):
        demonstration = file["data"][name]
        actions = np.asarray(demonstration["actions"], np.float32)
        images = demonstration["obs"][CAMERA]
        if actions.shape != (len(images), ACTION_DIM):
            raise TrainerError(
                f"{path}: {name}: actions {actions.shape} for {len(images)} images; 7 a frame are needed"
            )
        kept, seen = moving(actions), demonstration["obs"]
        states = [np.asarray(seen[key], np.float32)[kept] for key in STATES] if set(STATES) <= set(seen) else None
        yield Episode(
            task=path.stem,
            instruction=instruction,
            images=np.asarray(images)[kept, ::-1, ::-1],
            actions=actions[kept],
            wrist_images=np.asarray(seen[WRIST])[kept, ::-1, ::-1] if WRIST in seen else None,
            states=None if states is None else np.concatenate(states, axis=1),
        )


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


def _instruction(path: Path, attributes: Any) -> str:
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
