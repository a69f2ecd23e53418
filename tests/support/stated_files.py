"""LIBERO HDF5 files with simulator states and without pictures, such as the fake simulator can render."""

import json
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

FRAMES = 5


def write_states(folder: Path, instruction: str, places: Mapping[int, int], coordinates: int = 6) -> Path:
    """Writes TASK_demo.hdf5 with a demonstration for each of `places`: where its fixture stands.

    The first position of frame t is 100 + t; frames 0 and 2 do nothing.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{instruction.replace(' ', '_')}_demo.hdf5"
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["problem_info"] = json.dumps({"language_instruction": instruction})
        for number, place in places.items():
            demonstration = data.create_group(f"demo_{number}")
            states = np.zeros((FRAMES, coordinates))
            states[:, 1] = 100 + np.arange(FRAMES)
            actions = np.full((FRAMES, 7), 0.5)
            actions[:, 6] = -1
            actions[[0, 2], :6] = 0
            demonstration["states"], demonstration["actions"] = states, actions
            demonstration.attrs["model_file"] = scene(place)
    return path


def scene(place: float) -> str:
    """The XML of a scene whose cabinet stands there."""
    return f'<mujoco><worldbody><body name="table"><body name="cabinet" pos="{place} 0 1"/></body></worldbody></mujoco>'
