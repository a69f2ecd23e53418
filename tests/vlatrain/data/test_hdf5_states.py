"""vlatrain.data.hdf5_states: what pictures can be made of, and what not, told before anything is begun."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from stated_files import write_states
from vlatrain.data.hdf5_states import Tasks, bodies_of, read_states, stated_demonstrations
from vlatrain.errors import TrainerError

TOLD = ("open the drawer", "pick up the bowl", "open the drawer")
NAMES = ("KITCHEN_SCENE1_open_the_drawer", "pick_up_the_bowl", "KITCHEN_SCENE10_open_the_drawer")
TASKS = Tasks("libero_x", TOLD, NAMES)


def test_demonstrations_are_found_in_files_and_folders_with_their_tasks(tmp_path: Path) -> None:
    write_states(tmp_path / "a", TOLD[1], dict.fromkeys((0, 1, 10, 2), 0))
    file = write_states(tmp_path / "b", "KITCHEN SCENE10 open the drawer", {0: 0})
    found = list(stated_demonstrations([tmp_path / "a", file, tmp_path / "b"], TASKS))
    assert [(one.task, one.name) for one in found] == [
        (1, "demo_0"), (1, "demo_1"), (1, "demo_2"), (1, "demo_10"), (2, "demo_0"),
    ]  # fmt: skip
    assert (found[0].frames, found[0].coordinates) == (3, 6), "two of five frames do nothing"


def test_a_file_of_another_name_is_of_the_task_that_its_instruction_tells(tmp_path: Path) -> None:
    path = write_states(tmp_path, TOLD[1], {0: 0}).rename(tmp_path / "mine.hdf5")
    assert [one.task for one in stated_demonstrations([path], TASKS)] == [1]
    path = write_states(tmp_path, TOLD[0], {0: 0}).rename(tmp_path / "mine.hdf5")
    with pytest.raises(TrainerError, match="no task 'mine', nor just one that says 'open the drawer'"):
        list(stated_demonstrations([path], TASKS))


def test_states_come_with_what_is_done_in_them_and_where_fixtures_stand(tmp_path: Path) -> None:
    (one,) = stated_demonstrations([write_states(tmp_path, TOLD[1], {0: 7})], TASKS)
    found = read_states(one)
    assert found.states[:, 1].tolist() == [101, 103, 104]
    assert found.actions.shape == (3, 7)
    assert found.bodies == {"table": ([0, 0, 0], [1, 0, 0, 0]), "cabinet": ([7, 0, 1], [1, 0, 0, 0])}


def test_a_turn_told_in_another_way_than_by_a_quaternion_is_left_as_it_is() -> None:
    assert bodies_of('<mujoco><body name="a" euler="0 0 1"/><body name="b" quat="0 1 0 0"/></mujoco>') == {
        "a": ([0, 0, 0], None),
        "b": ([0, 0, 0], [0, 1, 0, 0]),
    }


def without(name: str) -> Callable[[Any], None]:
    def change(demonstration: Any) -> None:
        del demonstration[name]

    return change


def without_scene(demonstration: Any) -> None:
    del demonstration.attrs["model_file"]


def shorter(demonstration: Any) -> None:
    del demonstration["states"]
    demonstration["states"] = np.zeros((4, 6))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("states"), "demo_0 has no states; pictures are made of"),
        (without("actions"), "demo_0 has no actions"),
        (without_scene, "demo_0 has no attribute model_file"),
        (shorter, r"demo_0 has states \[4, 6\] and actions \[5, 7\]"),
    ],
    ids=["states", "actions", "scene", "lengths"],
)
def test_what_no_pictures_can_be_made_of_is_named(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    path = write_states(tmp_path, TOLD[1], {0: 0})
    with h5py.File(path, "a") as file:
        change(file["data/demo_0"])
    with pytest.raises(TrainerError, match=message):
        list(stated_demonstrations([path], TASKS))


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        ("<mujoco", "model_file is no XML"),
        ("<mujoco/>", "names no body"),
        ('<mujoco><body name="a" pos="1 2"/></mujoco>', "body a has pos '1 2'"),
    ],
    ids=["xml", "bodies", "numbers"],
)
def test_a_scene_that_is_none_is_named(tmp_path: Path, scene: str, message: str) -> None:
    path = write_states(tmp_path, TOLD[1], {0: 0})
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = scene
    (one,) = stated_demonstrations([path], TASKS)
    with pytest.raises(TrainerError, match=rf"demo_0: cannot be read as LIBERO's HDF5: .*{message}"):
        read_states(one)


def test_a_task_that_the_suite_has_not_is_named_and_so_is_a_path_without_files(tmp_path: Path) -> None:
    path = write_states(tmp_path, "turn on the stove", {0: 0})
    with pytest.raises(TrainerError, match="libero_x has no task 'turn_on_the_stove'"):
        list(stated_demonstrations([path], TASKS))
    (tmp_path / "empty").mkdir()
    for place, message in (("empty", "holds no"), ("nowhere", "no such file or folder")):
        with pytest.raises(TrainerError, match=f"--render .*{place}: {message}"):
            list(stated_demonstrations([tmp_path / place], TASKS))


def test_a_file_of_another_make_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "pick_up_the_bowl_demo.hdf5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(TrainerError, match="cannot be read as LIBERO's HDF5"):
        list(stated_demonstrations([path], TASKS))
