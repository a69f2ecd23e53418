"""Writes demonstrations as an RLDS data set, laid out as TFDS lays out the published LIBERO sets."""

import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from vlad.records.files import sync_folder

from vlatrain.data import jpeg
from vlatrain.data.example import FeatureValue, encode_example
from vlatrain.data.tfrecord import TFRecordWriter
from vlatrain.data.threads import done_ahead
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

VERSION = "1.0.0"
ENCODERS = 8
FEATURES = "tensorflow_datasets.core.features"


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedEpisode:
    """An episode whose pictures are JPEG files already, of the size `image_shape`.

    Where they are kept: the simulator's states float64 [T, C], and the scene as XML; such an episode may be without
    pictures yet.
    """

    task: str
    instruction: str
    image_shape: tuple[int, ...]
    images: list[bytes]
    actions: np.ndarray[Any, np.dtype[np.float32]]
    wrist_images: list[bytes] | None = None
    states: np.ndarray[Any, np.dtype[np.float32]] | None = None
    coordinates: np.ndarray[Any, np.dtype[np.float64]] | None = None
    model_file: str | None = None

    def __len__(self) -> int:
        return len(self.actions)


def encoded(episode: Episode, quality: int = 95) -> EncodedEpisode:
    """The episode with its pictures as JPEG, encoded side by side: many simulators wait for one recorder."""
    wrist = episode.wrist_images
    with ThreadPoolExecutor(ENCODERS) as pool:
        images, wrists = (
            None if some is None else list(pool.map(lambda image: jpeg.encoded(image, quality), some))
            for some in (episode.images, wrist)
        )
    assert images is not None
    return EncodedEpisode(
        task=episode.task,
        instruction=episode.instruction,
        image_shape=episode.images.shape[1:],
        images=images,
        actions=episode.actions,
        wrist_images=wrists,
        states=episode.states,
    )


def write_rlds(
    folder: Path, name: str, episodes: Iterable[Episode | EncodedEpisode], shards: int = 1, *, jpeg_quality: int = 95
) -> Path:
    """Writes `folder/name/1.0.0` and returns `folder/name`: all of it appears at once, by rename, or nothing does.

    Episodes go to the shards in turn, and a few are held at a time, however many shards there are. Two writers of one
    set wait for each other; what a killed one left is removed.
    Raises TrainerError where the set exists already or there are no episodes.
    """
    target, aside = folder / name, folder / f".{name}.new"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f".{name}.lock"):
        if target.exists():
            raise TrainerError(f"{target} exists already; remove it or choose another name")
        shutil.rmtree(aside, ignore_errors=True)
        version = aside / VERSION
        version.mkdir(parents=True)
        try:
            _write_version(version, name, episodes, shards, jpeg_quality)
        except BaseException:
            shutil.rmtree(aside)
            raise
        sync_folder(version)
        aside.rename(target)
        sync_folder(folder)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`, which stays: removing it would let two in."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_version(
    version: Path, name: str, episodes: Iterable[Episode | EncodedEpisode], shards: int, jpeg_quality: int
) -> None:
    with ExitStack() as stack:
        paths = [version / f"{name}-train.tfrecord-{number:05d}-of-{shards:05d}" for number in range(shards)]
        writers = [stack.enter_context(TFRecordWriter(path)) for path in paths]
        threads = stack.enter_context(ThreadPoolExecutor(ENCODERS))
        coming = (encoded(one, jpeg_quality) if isinstance(one, Episode) else one for one in episodes)
        # never more at a time than there are shards: those of one shard are written one after the other
        written = done_ahead(threads, _write, zip(cycle(writers), coming), min(shards, ENCODERS))
        features = next(written, None)
        for _ in written:
            pass
    if features is None:
        raise TrainerError(f"{name}: no episodes to write")
    _write_json(version / "dataset_info.json", _dataset_info(name, writers))
    _write_json(version / "features.json", features)


def _write(given: tuple[TFRecordWriter, EncodedEpisode]) -> dict[str, Any]:
    """Appends an episode to its shard; what its features are."""
    writer, episode = given
    writer.write(encode_example(_features(episode)))
    return _features_document(episode)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=4) + "\n")


def _features(episode: EncodedEpisode) -> dict[str, FeatureValue]:
    """The flattened features of one episode, every one with a value a step; the last step is rewarded."""
    steps = np.arange(len(episode))
    last = (steps == len(episode) - 1).astype(np.int64)
    seen: dict[str, FeatureValue] = {"steps/observation/image": episode.images}
    if episode.wrist_images is not None:
        seen["steps/observation/wrist_image"] = episode.wrist_images
    if episode.states is not None:
        seen["steps/observation/state"] = episode.states.reshape(-1)
    return {
        **seen,
        "steps/action": episode.actions.reshape(-1),
        "steps/language_instruction": [episode.instruction.encode()] * len(episode),
        "steps/is_first": (steps == 0).astype(np.int64),
        "steps/is_last": last,
        "steps/is_terminal": last,
        "steps/reward": last.astype(np.float32),
        "steps/discount": np.ones(len(episode), np.float32),
        "episode_metadata/file_path": [episode.task.encode()],
    }


def _dataset_info(name: str, writers: list[TFRecordWriter]) -> dict[str, Any]:
    split = {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": "train",
        "numBytes": str(sum(writer.size_bytes for writer in writers)),
        "shardLengths": [str(writer.records) for writer in writers],
    }
    return {"fileFormat": "tfrecord", "name": name, "splits": [split], "version": VERSION}


def _features_document(episode: EncodedEpisode) -> dict[str, Any]:
    image = {
        "pythonClassName": f"{FEATURES}.image_feature.Image",
        "image": {"shape": _shape(*episode.image_shape), "dtype": "uint8", "encodingFormat": "jpeg"},
    }
    seen = {"image": image}
    if episode.wrist_images is not None:
        seen["wrist_image"] = image
    if episode.states is not None:
        seen["state"] = _tensor("float32", episode.states.shape[1])
    steps = {
        "observation": _dictionary(seen),
        "action": _tensor("float32", 7),
        "language_instruction": _text(),
        **{name: _tensor("bool") for name in ("is_first", "is_last", "is_terminal")},
        **{name: _tensor("float32") for name in ("reward", "discount")},
    }
    sequence = {
        "pythonClassName": f"{FEATURES}.dataset_feature.Dataset",
        "sequence": {"feature": _dictionary(steps), "length": "-1"},
    }
    return _dictionary({"steps": sequence, "episode_metadata": _dictionary({"file_path": _text()})})


def _dictionary(features: dict[str, Any]) -> dict[str, Any]:
    return {"pythonClassName": f"{FEATURES}.features_dict.FeaturesDict", "featuresDict": {"features": features}}


def _tensor(dtype: str, *shape: int) -> dict[str, Any]:
    kind = "tensor_feature.Tensor" if shape else "scalar.Scalar"
    tensor = {"shape": _shape(*shape), "dtype": dtype, "encoding": "none"}
    return {"pythonClassName": f"{FEATURES}.{kind}", "tensor": tensor}


def _text() -> dict[str, Any]:
    return {"pythonClassName": f"{FEATURES}.text_feature.Text", "text": {}}


def _shape(*sizes: int) -> dict[str, Any]:
    return {"dimensions": [str(size) for size in sizes]} if sizes else {}
