"""Writes demonstrations as LIBERO's own HDF5 files, one a task, for programs that read those."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vlatrain.data.hdf5 import h5py_module
from vlatrain.data.jpeg import decoded
from vlatrain.data.rlds_writer import EncodedEpisode
from vlatrain.errors import TrainerError


def write_hdf5(folder: Path, episodes: Iterable[EncodedEpisode]) -> Path:
    """Writes `folder/TASK_demo.hdf5` files; pictures are turned back, since those files hold them as the camera does.

    Of episodes without pictures everything else is written. The folder appears at once or not at all.
    Raises TrainerError where it exists already.
    """
    h5py = h5py_module()
    if folder.exists():
        raise TrainerError(f"{folder} exists already; remove it first")
    aside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    counts: dict[str, int] = {}
    for episode in episodes:
        name = episode.task.rsplit("/", 1)[-1]
        number = counts[name] = counts.get(name, -1) + 1
        with h5py.File(aside / f"{name}_demo.hdf5", "a") as file:
            data = file.require_group("data")
            data.attrs["problem_info"] = json.dumps({"language_instruction": episode.instruction})
            data.attrs["num_demos"] = number + 1
            _write(data.create_group(f"demo_{number}"), episode)
    aside.rename(folder)
    return folder


def _write(group: Any, episode: EncodedEpisode) -> None:
    last = np.arange(len(episode)) == len(episode) - 1
    arrays = {"actions": episode.actions.astype(np.float64), "rewards": last.astype(np.uint8), "dones": last}
    if episode.images:
        arrays["obs/agentview_rgb"] = _pictures(episode.images)
    if episode.wrist_images:
        arrays["obs/eye_in_hand_rgb"] = _pictures(episode.wrist_images)
    if episode.states is not None:
        arrays["obs/ee_states"], arrays["obs/gripper_states"] = episode.states[:, :6], episode.states[:, 6:]
    if episode.coordinates is not None:
        arrays["states"], group.attrs["init_state"] = episode.coordinates, episode.coordinates[0]
        group.attrs["model_file"] = episode.model_file
    for name, values in arrays.items():
        group.create_dataset(name, data=values)


def _pictures(files: list[bytes]) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.stack([decoded(one)[::-1, ::-1] for one in files])
