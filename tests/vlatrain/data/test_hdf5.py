"""LIBERO's HDF5 files: turned upright, without frames in which nothing is done; those of another make are named."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from foreign_sets import LENGTHS, actions, pictures, write_hdf5
from vlatrain.data.hdf5 import hdf5_episodes, moving
from vlatrain.errors import TrainerError


@pytest.mark.parametrize(
    ("problem_info", "instruction"),
    [
        ('{"language_instruction": "open the drawer"}', "open the drawer"),
        ('{"language_instruction": ["o", "p", "e", "n"]}', "open"),
        (None, "pick up the bowl"),
    ],
    ids=["text", "letters", "name of the file"],
)
def test_libero_files_are_turned_upright(tmp_path: Path, problem_info: str | None, instruction: str) -> None:
    write_hdf5(tmp_path / "pick_up_the_bowl_demo.hdf5", problem_info)
    episodes = list(hdf5_episodes(tmp_path))
    assert [episode.instruction for episode in episodes] == [instruction] * 3
    for number, episode in enumerate(episodes):
        np.testing.assert_array_equal(episode.images, pictures(number, LENGTHS[number]))
        np.testing.assert_array_equal(episode.actions, actions(number, LENGTHS[number]))


def test_demonstrations_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "task_demo.hdf5", "w") as file:
        for number in (10, 9, 2):
            file[f"data/demo_{number}/actions"] = actions(number, 2)
            file[f"data/demo_{number}/obs/agentview_rgb"] = pictures(0, 2)
    firsts = [episode.actions[0, 0] for episode in hdf5_episodes(tmp_path)]
    assert firsts == [actions(number, 2)[0, 0] for number in (2, 9, 10)]


def test_actions_that_do_nothing_are_left_out() -> None:
    still, move = [0.0] * 6, [0.5, *[0.0] * 5]
    rows = [[*still, -1], [*move, -1], [*still, -1], [*still, 1], [*still, 1], [*move, 1]]
    assert moving(np.array(rows, np.float32)).tolist() == [1, 3, 5]


def test_a_file_that_is_no_hdf5_is_named(tmp_path: Path) -> None:
    (tmp_path / "task_demo.hdf5").write_bytes(b"not hdf5")
    with pytest.raises(TrainerError, match=r"task_demo\.hdf5: cannot be read as LIBERO's HDF5"):
        list(hdf5_episodes(tmp_path))


OBS = "data/demo_0/obs"
CAMERA_IN_HDF5, WRIST_IN_HDF5 = f"{OBS}/agentview_rgb", f"{OBS}/eye_in_hand_rgb"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros(3)}, r"task_demo\.hdf5: cannot be read as LIBERO's HDF5"),
        ({"data/mask": np.zeros(3)}, "mask: cannot be read"),
        ({CAMERA_IN_HDF5: pictures(0, 2)}, r"demo_0: .*: actions \(3, 7\) for 2 images"),
        ({CAMERA_IN_HDF5: pictures(0, 3) / 255}, r"demo_0: .*images must be uint8"),
        ({CAMERA_IN_HDF5: None}, r"demo_0: .*object 'agentview_rgb' doesn't exist"),
        ({OBS: None}, r"demo_0: .*object 'obs' doesn't exist"),
        ({WRIST_IN_HDF5: pictures(0, 2)}, r"demo_0: .*eye_in_hand_rgb has 2 frames, actions 3"),
        ({"data/demo_0/actions": np.full((3, 7), np.nan)}, r"demo_0: .*actions holds numbers that are not finite"),
    ],
    ids=["no group", "no demonstration", "length", "type", "camera", "nothing seen", "wrist", "no number"],
)
def test_demonstrations_of_another_make_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with h5py.File(tmp_path / "task_demo.hdf5", "w") as file:
        file["data/demo_0/actions"] = actions(0, 3)
        file[CAMERA_IN_HDF5] = pictures(0, 3)
        for name, content in changes.items():
            if name in file:
                del file[name]
            if content is not None:
                file[name] = content
    with pytest.raises(TrainerError, match=message):
        list(hdf5_episodes(tmp_path))


@pytest.mark.parametrize("problem_info", ["no JSON", "[1]", "{}"])
def test_an_instruction_that_cannot_be_read_is_named(tmp_path: Path, problem_info: str) -> None:
    write_hdf5(tmp_path / "task_demo.hdf5", problem_info)
    with pytest.raises(TrainerError, match=r"task_demo\.hdf5: cannot be read as LIBERO's HDF5"):
        list(hdf5_episodes(tmp_path))


def test_a_demonstration_in_which_nothing_is_done_is_left_out(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "task_demo.hdf5")
    with h5py.File(tmp_path / "task_demo.hdf5", "a") as file:
        file["data/demo_1/actions"][:] = [0, 0, 0, 0, 0, 0, -1]
    assert [len(episode) for episode in hdf5_episodes(tmp_path)] == [LENGTHS[0], LENGTHS[2]]
