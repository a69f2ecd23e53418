"""The simulator's states in LIBERO's HDF5 demonstrations, of which pictures of any size can be made.

`data/demo_N/{states, actions}` and its attribute `model_file`: the scene, in which fixtures stand elsewhere each time.
Source: LIBERO's scripts/create_dataset.py; `states[t]` is what `actions[t]` was chosen in.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.hdf5 import h5py_module, hdf5_files, instruction_of, moving, named, number_of
from vlatrain.errors import TrainerError

OTHER_TURNS = ("axisangle", "euler", "xyaxes", "zaxis")
Body = tuple[list[float], list[float] | None]
"""Where it stands [3], and how it is turned (quaternion, w first), None where that is told in another way."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One demonstration in a file: `frames` in which something is done, each of so many `coordinates`."""

    path: Path
    name: str
    task: int
    frames: int
    coordinates: int

    def __str__(self) -> str:
        return f"{self.path}: {self.name}"


@dataclass(frozen=True, slots=True)
class States:
    """What is recorded of T frames in which something is done: states [T, C], actions [T, 7], the scene's bodies."""

    states: NDArray[np.float64]
    actions: NDArray[np.float32]
    bodies: dict[str, Body]


@dataclass(frozen=True, slots=True)
class Tasks:
    """A suite, what the robot is told in each of its tasks, and what they are called."""

    suite: str
    instructions: Sequence[str]
    names: Sequence[str] = ()

    def number(self, path: Path, attributes: Any) -> int:
        """Which task a file is of: its name says it, which no two tasks share, or its instruction, which some do.

        Raises TrainerError where the suite has no such task.
        """
        name = path.stem.removesuffix("_demo")
        if name in self.names:
            return self.names.index(name)
        told = instruction_of(path, attributes)
        if self.instructions.count(told) == 1:
            return self.instructions.index(told)
        raise TrainerError(
            f"{path}: {self.suite} has no task {name!r}, nor just one that says {told!r}; --suite names another"
        )


def stated_demonstrations(paths: Sequence[Path], tasks: Tasks) -> Iterator[Stated]:
    """All demonstrations in these files, or folders of them, in which anything is done; of a file named twice once.

    Raises TrainerError for the first one that pictures cannot be made of.
    """
    h5py = h5py_module()
    for path in dict.fromkeys(file for one in paths for file in _files(one)):
        with named(path):
            file = h5py.File(path)
        with file:
            with named(path):
                task = tasks.number(path, file["data"].attrs)
                names = sorted(file["data"], key=number_of)
            for name in names:
                with named(path, name):
                    one = _looked_into(path, name, task, file["data"][name])
                if one.frames:
                    yield one


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = hdf5_files(path) if path.is_dir() else []
    if not files:
        raise TrainerError(f"--render {path}: {'holds no *.hdf5 files' if path.is_dir() else 'no such file or folder'}")
    return files


def _looked_into(path: Path, name: str, task: int, demonstration: Any) -> Stated:
    missing = [key for key in ("states", "actions") if key not in demonstration]
    if missing:
        raise TrainerError(f"{path}: {name} has no {missing[0]}; pictures are made of the simulator's recorded states")
    if "model_file" not in demonstration.attrs:
        raise TrainerError(f"{path}: {name} has no attribute model_file, which tells where its fixtures stand")
    states, actions = demonstration["states"].shape, demonstration["actions"].shape
    if len(states) != 2 or actions != (states[0], 7):
        raise TrainerError(f"{path}: {name} has states {list(states)} and actions {list(actions)}, not [T,C] and [T,7]")
    return Stated(path, name, task, len(moving(np.asarray(demonstration["actions"], np.float32))), states[1])


def read_states(one: Stated) -> States:
    """Reads a demonstration; it may have no frames left. Raises TrainerError where it is no recording of a scene."""
    with named(one), h5py_module().File(one.path) as file:
        demonstration = file["data"][one.name]
        actions = np.asarray(demonstration["actions"], np.float32)
        kept = moving(actions)
        states = np.asarray(demonstration["states"], np.float64)[kept]
        if not (np.isfinite(states).all() and np.isfinite(actions).all()):
            raise ValueError("states or actions hold numbers that are not finite")
        return States(states, actions[kept], bodies_of(demonstration.attrs["model_file"]))


def bodies_of(model_file: str | bytes) -> dict[str, Body]:
    """Where the XML of a scene puts each body that it names. Raises ValueError where it is no scene."""
    try:
        scene = ElementTree.fromstring(model_file)
    except ElementTree.ParseError as error:
        raise ValueError(f"model_file is no XML: {error}") from error
    bodies = {body.get("name", ""): _body(body) for body in scene.iter("body")}
    if not bodies:
        raise ValueError("model_file names no body")
    return bodies


def _body(body: ElementTree.Element) -> Body:
    turned_otherwise = bool(set(OTHER_TURNS) & set(body.attrib))
    return _numbers(body, "pos", "0 0 0"), None if turned_otherwise else _numbers(body, "quat", "1 0 0 0")


def _numbers(body: ElementTree.Element, name: str, default: str) -> list[float]:
    numbers = [float(word) for word in body.get(name, default).split()]
    if len(numbers) != len(default.split()):
        raise ValueError(f"model_file: body {body.get('name')} has {name} {body.get(name)!r}")
    return numbers
