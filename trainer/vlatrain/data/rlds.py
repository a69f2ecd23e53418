"""RLDS data sets in TFRecord files, read without TensorFlow, one frame at a time and in any order."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.actions import Floats, normalise, transform_for
from vlatrain.data.frame_index import FrameIndex, open_index
from vlatrain.data.jpeg import decoded
from vlatrain.data.shards import VERSION, Shard, find_shards, split_range, version_folder
from vlatrain.data.statistics import DatasetStatistics, dataset_statistics
from vlatrain.data.tfrecord import MappedFile
from vlatrain.data.walk import STATE, Progress
from vlatrain.errors import TrainerError

OPEN_FILES = 256
WRIST = "wrist_image"


class Frame(NamedTuple):
    """One sample: image uint8 [H,W,3]; action float32 [7], normalised; `episode` counts from the start of the set.

    Where they are inputs: the wrist camera's picture, and the hand's state float32 [8], normalised. Where actions are
    foretold in chunks: those that follow in the episode, float32 [n, 7], fewer towards its end.
    """

    image: NDArray[np.uint8]
    instruction: str
    action: Floats
    episode: int
    step: int
    wrist: NDArray[np.uint8] | None = None
    state: Floats | None = None
    following: Floats | None = None


def silent(_done_bytes: int, _total_bytes: int) -> None:
    """Progress that nobody watches."""


class EmptySplitError(TrainerError):
    """The part of a data set that was asked for holds no frames."""


class RLDSDataset:
    """The frames of one split of a data set.

    `folder` is `<data_root_dir>/<dataset_name>` or its version folder; the name tells the convention of the actions.
    `split` is TFDS's: "train", "train[:95%]". `statistics` is the published document: all splits together, by set name.
    `wrist` and `states` also read those, and raise TrainerError where the set has none. With a `chunk` above 1 a frame
    tells the `chunk` - 1 actions that follow it, too.
    Opening walks the files once and raises TrainerError for broken ones; `verify` also checks every checksum.
    """

    def __init__(
        self,
        folder: Path,
        *,
        split: str = "train",
        image_key: str = "image",
        cache_dir: Path | None = None,
        verify: bool = False,
        wrist: bool = False,
        states: bool = False,
        chunk: int = 1,
        progress: Progress = silent,
    ) -> None:
        folder = folder.absolute()
        self.name = dataset_name_of(folder)
        transform = transform_for(self.name)
        self._shards = find_shards(version_folder(folder))
        index = open_index(self._shards, image_key, cache_dir=cache_dir, verify=verify, progress=progress)
        if not len(index.rows):
            raise TrainerError(f"{folder}: holds no frames")
        self._transform = transform
        self._chunk = chunk
        self._instructions = index.instructions
        if states and not index.has_states:
            told = "set use_proprio false and proprio_loss_weight 0"
            raise TrainerError(f"{folder}: knows no states of the hand ({STATE}); {told}")
        whole = dataset_statistics(
            transform(index.rows["action"]), sum(index.episodes), index.rows["state"] if states else None
        )
        self.statistics: dict[str, DatasetStatistics] = {self.name: whole}
        self._action_statistics = whole["action"]
        self._state_statistics = whole["proprio"] if states else None
        chosen = _row_range(self._shards, index, split)
        self._rows = index.rows[chosen]
        self._wrist_rows: NDArray[np.void] | None = None
        if wrist:
            other = open_index(self._shards, WRIST, cache_dir=cache_dir, verify=verify, progress=progress)
            self._wrist_rows = other.rows[chosen]
        if not len(self._rows):
            raise EmptySplitError(f"{folder}: split {split!r} holds no frames")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Frame:
        """Decodes the frame at `place`. Raises TrainerError where its image is corrupt."""
        row = self._rows[place]
        return Frame(
            image=self._picture(row),
            instruction=self._instructions[row["instruction"]],
            action=self._actions(row["action"]),
            episode=int(row["episode"]),
            step=int(row["step"]),
            wrist=None if self._wrist_rows is None else self._picture(self._wrist_rows[place]),
            state=None if self._state_statistics is None else normalise(row["state"], self._state_statistics),
            following=self._following(place) if self._chunk > 1 else None,
        )

    def _actions(self, stored: NDArray[np.float32]) -> Floats:
        return normalise(self._transform(stored), self._action_statistics)

    def _following(self, place: int) -> Floats:
        """The next actions of the same episode, [n, 7]."""
        rows = self._rows[place + 1 : place + self._chunk]
        return self._actions(rows["action"][rows["episode"] == self._rows[place]["episode"]])

    def image(self, place: int) -> NDArray[np.uint8]:
        """Decodes the picture [H,W,3] of the frame at `place`. Raises TrainerError where it is corrupt."""
        return self._picture(self._rows[place])

    def _picture(self, row: NDArray[np.void]) -> NDArray[np.uint8]:
        file = _mapped(self._shards[row["shard"]].path)
        start = int(row["image_offset"])
        try:
            return decoded(file.data[start : start + int(row["image_size"])])
        except (OSError, SyntaxError, ValueError) as error:
            raise file.wrong(start, f"corrupt image of {row['image_size']} bytes: {error}") from error

    @property
    def instructions(self) -> tuple[str, ...]:
        """Every instruction of the set, each once."""
        return self._instructions

    @property
    def stored_actions(self) -> Floats:
        """The actions [N,7] of this split as the files hold them."""
        return np.asarray(self._rows["action"])


def frames_in(folder: Path, split: str, cache_dir: Path | None = None, image_key: str = "image") -> int:
    """How many frames an `RLDSDataset` of this split has; writes nothing. Raises TrainerError for broken files."""
    shards = find_shards(version_folder(folder))
    index = open_index(shards, image_key, cache_dir=cache_dir, verify=False, progress=silent, saves=False)
    return len(index.rows[_row_range(shards, index, split)])


def _row_range(shards: list[Shard], index: FrameIndex, split: str) -> slice:
    borders: dict[str, tuple[int, int]] = {}
    total = 0
    for shard, count in zip(shards, index.episodes, strict=True):
        borders[shard.split] = (borders.get(shard.split, (total, 0))[0], total + count)
        total += count
    first, last = split_range(split, borders)
    return slice(*np.searchsorted(index.rows["episode"], (first, last)).tolist())


@lru_cache(maxsize=OPEN_FILES)
def _mapped(path: Path) -> MappedFile:
    return MappedFile(path)


def dataset_name_of(folder: Path) -> str:
    """The name of the set in `<data_root_dir>/<dataset_name>`, or in its version folder."""
    return folder.parent.name if VERSION.fullmatch(folder.name) else folder.name


def training_split(folder: Path) -> str:
    """The split that published fine-tuning trains on: all of `train` beside a `val` split, else its first 95 %."""
    splits = {shard.split for shard in find_shards(version_folder(folder))}
    if "train" not in splits:
        raise TrainerError(f"{folder}: has no split called train to train on, only {', '.join(sorted(splits))}")
    return "train" if "val" in splits else "train[:95%]"


def held_out_split(folder: Path) -> str:
    """What `training_split` leaves: the `val` split, else the last 5 % of `train`."""
    splits = {shard.split for shard in find_shards(version_folder(folder))}
    return "val" if "val" in splits else "train[95%:]"
