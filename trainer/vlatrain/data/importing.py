"""Data sets of other formats, written once as RLDS, so that training reads one format, in any order."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from vlatrain.data.actions import transform_for
from vlatrain.data.hdf5 import h5py_module, hdf5_episodes, hdf5_files
from vlatrain.data.lerobot import check_packages, lerobot_episodes
from vlatrain.data.lerobot_layout import read_layout
from vlatrain.data.rlds import dataset_name_of, training_split
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.data.shards import find_shards, lacks_feature, version_folder
from vlatrain.errors import TrainerError
from vlatrain.git_lfs import ADVICE, is_pointer
from vlatrain.sim.episode import Episode

log = logging.getLogger(__name__)

SHARDS = 8
IMPORT_VERSION = 2  # 2: wrist pictures and states
SOURCES = ("*.hdf5", "*.h5", "meta/**/*", "data/**/*", "videos/**/*")


class Format(Enum):
    """What a folder of demonstrations holds."""

    RLDS = "an RLDS data set"
    HDF5 = "LIBERO's HDF5 files"
    LEROBOT = "a LeRobot data set"


def format_of(folder: Path) -> Format:
    """Told by the files in the folder; RLDS where nothing tells otherwise."""
    if (folder / "meta" / "info.json").is_file():
        return Format.LEROBOT
    if folder.is_dir() and hdf5_files(folder):
        return Format.HDF5
    return Format.RLDS


def check_folder(folder: Path) -> None:
    """Raises TrainerError for a folder that is no data set, as far as names and descriptions tell; opens no data."""
    transform_for(dataset_name_of(folder))
    match format_of(folder):
        case Format.LEROBOT:
            check_packages()
            read_layout(folder)
            files = [next(folder.glob(pattern), folder) for pattern in ("data/*/*.parquet", "videos/**/*.mp4")]
        case Format.HDF5:
            h5py_module()
            files = hdf5_files(folder)
        case Format.RLDS:
            training_split(folder)
            files = [shard.path for shard in find_shards(version_folder(folder))]
    if pointer := next(filter(is_pointer, files), None):
        raise TrainerError(f"{pointer} {ADVICE}")


def lacks_states(folder: Path) -> bool:
    """Whether a data set says of itself that it knows no states of the hand; those of other formats tell later."""
    return format_of(folder) is Format.RLDS and lacks_feature(version_folder(folder), "state")


def episodes_of(folder: Path, camera: str | None = None) -> Iterator[Episode]:
    """The episodes of a folder in HDF5 or in LeRobot's format."""
    match format_of(folder):
        case Format.LEROBOT:
            return lerobot_episodes(folder, camera)
        case Format.HDF5:
            return hdf5_episodes(folder)
        case Format.RLDS:
            raise TrainerError(f"{folder}: holds neither *.hdf5 files nor a LeRobot data set (meta/info.json)")


def imported(folder: Path, cache_dir: Path, tell: Callable[[int], None] = lambda _: None) -> Path:
    """The RLDS form of `folder`: itself, or its import below `cache_dir`, written where it is missing or out of date.

    `tell` hears how many episodes have been written.
    """
    target = rlds_folder(folder, cache_dir)
    if target != folder and not target.exists():
        root = target.parent
        log.info("importing %s into %s, once", folder, root)
        try:
            write_rlds(root, folder.name, counted(episodes_of(folder), tell), SHARDS)
        except TrainerError:
            if not target.exists():  # another run may have written it meanwhile
                raise
        except OSError as error:
            told = f"cannot be written: {error.strerror}; make room there, or set cache_dir"
            raise TrainerError(f"{folder}: is read through its import as RLDS, and {root} {told}") from error
    return target


def rlds_folder(folder: Path, cache_dir: Path) -> Path:
    """Where the RLDS form of `folder` is, or will be once it is imported."""
    is_rlds = format_of(folder) is Format.RLDS
    return folder if is_rlds else cache_dir / "imported" / fingerprint(folder) / folder.name


def fingerprint(folder: Path) -> str:
    """Changes with the place, names, sizes or times of the files."""
    files = sorted(path for pattern in SOURCES for path in folder.glob(pattern) if path.is_file())
    stats = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr((IMPORT_VERSION, str(folder.resolve()), stats)).encode()).hexdigest()[:16]


def counted(episodes: Iterator[Episode], tell: Callable[[int], None]) -> Iterator[Episode]:
    """The same episodes; `tell` hears how many there have been."""
    for number, episode in enumerate(episodes, start=1):
        tell(number)
        yield episode
