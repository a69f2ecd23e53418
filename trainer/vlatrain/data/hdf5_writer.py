"""Writes demonstrations as LIBERO's own HDF5 files, one a task, for programs that read those."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vlatrain.data.hdf5 import h5py_module
from vlatrain.data.jpeg import decoded
from vlatrain.data.rlds_writer import EncodedEpisode
from vlatrain.errors import TrainerError


def write_hdf5(folder: Path, episodes: Iterable[EncodedEpisode]) -> Path:
    """Writes `folder/TASK_demo.hdf5` files; pictures are turned back, since those files hold them as the camera does.

    Raises TrainerError where the folder exists already.
    """
    h5py = h5py_module()
    if folder.exists():
        raise TrainerError(f"{folder} exists already; remove it first")
    folder.mkdir(parents=True)
    counts: dict[str, int] = {}
    for episode in episodes:
        name = episode.task.rsplit("/", 1)[-1]
        number = counts[name] = counts.get(name, -1) + 1
        with h5py.File(folder / f"{name}_demo.hdf5", "a") as file:
            data = file.require_group("data")
            data.attrs["problem_info"] = json.dumps({"language_instruction": episode.instruction})
            data.attrs["num_demos"] = number + 1
            _write(data.create_group(f"demo_{number}"), episode)
    return folder


def _write(group: "object", episode: EncodedEpisode) -> None:
    last = np.arange(len(episode)) == len(episode) - 1
    arrays = {"actions": episode.actions.astype(np.float64), "rewards": last.astype(np.uint8), "dones": last}
    arrays["obs/agentview_rgb"] = _pictures(episode.images)
    if episode.wrist_images is not None:
        arrays["obs/eye_in_hand_rgb"] = _pictures(episode.wrist_images)
    if episode.states is not None:
        arrays["obs/ee_states"], arrays["obs/gripper_states"] = episode.states[:, :6], episode.states[:, 6:]
    for name, values in arrays.items():
        group.create_dataset(name, data=values)  # type: ignore[attr-defined]  # untyped upstream


def _pictures(files: list[bytes]) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.stack([decoded(one)[::-1, ::-1] for one in files])
