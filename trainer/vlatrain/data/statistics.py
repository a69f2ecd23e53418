"""`dataset_statistics.json` as published: what un-normalises the actions of a fine-tuned model."""

import json
from pathlib import Path
from typing import TypedDict

import numpy as np
from vlad.records.files import replace_file

from vlatrain.data.actions import ACTION_DIM, ActionStatistics, Floats, summarise
from vlatrain.errors import TrainerError

FILE_NAME = "dataset_statistics.json"


class DatasetStatistics(TypedDict):
    """The statistics of one data set. Where proprioception is no input, all of its are zeros, as published."""

    action: ActionStatistics
    proprio: ActionStatistics
    num_transitions: int
    num_trajectories: int


def dataset_statistics(actions: Floats, episodes: int, states: Floats | None = None) -> DatasetStatistics:
    """The statistics of all standard actions [N, 7] of a set, and of the hand's states [N, 8] where they are inputs."""
    proprio = np.zeros((1, ACTION_DIM), np.float32) if states is None else states
    return DatasetStatistics(
        action=summarise(actions),
        proprio=summarise(proprio, (True,) * proprio.shape[1]),
        num_transitions=len(actions),
        num_trajectories=episodes,
    )


def save_statistics(folder: Path, statistics: dict[str, DatasetStatistics]) -> None:
    """Writes `dataset_statistics.json`: statistics by data set name."""
    replace_file(folder / FILE_NAME, json.dumps(statistics, indent=2).encode())


def load_statistics(path: Path) -> dict[str, DatasetStatistics]:
    """Reads a `dataset_statistics.json` (or the folder that holds one).

    Raises TrainerError where it is missing, no JSON, or lacks a number that un-normalising needs.
    """
    path = path / FILE_NAME if path.is_dir() else path
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TrainerError(f"{path}: cannot be read as dataset statistics: {error}") from error
    if not isinstance(found, dict):
        raise TrainerError(f"{path}: no statistics by data set name")
    return {name: _checked(path, name, one) for name, one in found.items()}


def _checked(path: Path, name: str, one: object) -> DatasetStatistics:
    action = one.get("action") if isinstance(one, dict) else None
    if not isinstance(one, dict) or not isinstance(action, dict) or not {"q01", "q99"} <= action.keys():
        raise TrainerError(f"{path}: {name} has no action.q01 and action.q99")
    count = len(action["q01"])
    filled = {"mask": [True] * count, "min": action["q01"], "max": action["q99"], **action}
    return {**one, "action": filled}  # type: ignore[typeddict-item]  # JSON from elsewhere; what we use is checked above
