"""Compiled scenes that the workers of a pool share. Runs in a worker's Python.

MuJoCo takes seconds to compile a scene, most of them over pictures and meshes, and many tasks have the same
scene. What the first worker has compiled the others read: the same model, to the last bit. It lies in memory that ends
with the pool, so that nobody has to clean up behind killed processes.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
from robosuite.utils.binding_utils import MjSim

from vlatrain.sim.protocol import SHELF

NAME_BYTES = 32
WHOLE = b"w"
RECORD_BYTES = NAME_BYTES + len(WHOLE)


class Shelf:
    """`catalogue` says of each of `places` which scene it has, in records: its name, and whether it is whole."""

    def __init__(self, catalogue: int, places: list[int]) -> None:
        self._catalogue, self._places = catalogue, places

    def model(self, xml: str) -> Any:
        """The compiled scene; where all places are taken by others it is compiled here."""
        name = hashlib.sha256(xml.encode()).digest()
        place = self._place_of(name)
        if place is None:
            return mujoco.MjModel.from_xml_string(xml)
        with _locked(self._places[place], fcntl.LOCK_SH):
            if self._is_whole(place):
                return self._read(place)
        with _locked(self._places[place], fcntl.LOCK_EX):
            if not self._is_whole(place):
                return self._compiled(xml, place)
        return self._read(place)

    def _place_of(self, name: bytes) -> int | None:
        with _locked(self._catalogue, fcntl.LOCK_EX):
            for place in range(len(self._places)):
                known = os.pread(self._catalogue, NAME_BYTES, place * RECORD_BYTES)
                if not known:
                    os.pwrite(self._catalogue, name, place * RECORD_BYTES)
                if known in (b"", name):
                    return place
        return None

    def _is_whole(self, place: int) -> bool:
        return os.pread(self._catalogue, len(WHOLE), place * RECORD_BYTES + NAME_BYTES) == WHOLE

    def _read(self, place: int) -> Any:
        return mujoco.MjModel.from_binary_path(_path(self._places[place]))

    def _compiled(self, xml: str, place: int) -> Any:
        model = mujoco.MjModel.from_xml_string(xml)
        mujoco.mj_saveModel(model, _path(self._places[place]), None)
        if os.fstat(self._places[place]).st_size == mujoco.mj_sizeModel(model):  # else there is no memory for it
            os.pwrite(self._catalogue, WHOLE, place * RECORD_BYTES + NAME_BYTES)
        return model


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


@contextmanager
def _locked(descriptor: int, how: int) -> Iterator[None]:
    """Opened anew: workers inherit one and the same open file, whose lock would be all of theirs."""
    own = os.open(_path(descriptor), os.O_RDWR)
    try:
        fcntl.flock(own, how)
        yield
    finally:
        os.close(own)


@contextmanager
def shared_scenes() -> Iterator[None]:
    """Scenes loaded within it come from the pool's shelf, where there is one."""
    told = os.environ.get(SHELF)
    if not told:
        yield
        return
    catalogue, *places = map(int, told.split(","))
    shelf, plain = Shelf(catalogue, places), MjSim.__dict__["from_xml_string"]
    MjSim.from_xml_string = lambda xml: MjSim(shelf.model(xml))
    try:
        yield
    finally:
        MjSim.from_xml_string = plain
