"""Which files make up an RLDS data set, as TFDS lays them out on disk.

`<data_root_dir>/<dataset_name>/<version>/` holds features.json, dataset_info.json and the files
`<name>-<split>.tfrecord-00000-of-00016`. That name may differ from the folder's: the published libero_spatial_no_noops
holds libero_spatial-train.tfrecord-….
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from vlatrain.errors import TrainerError

SHARD = re.compile(r"(?P<name>.+)-(?P<split>\w+)\.tfrecord-(?P<number>\d{5})-of-(?P<count>\d{5})")
VERSION = re.compile(r"\d+\.\d+\.\d+")
SLICE = re.compile(r"(?P<split>\w+)(?:\[(?P<low>\d+%)?:(?P<high>\d+%)?\])?")


@dataclass(frozen=True, slots=True)
class Shard:
    """One TFRecord file of a split; `episodes` as dataset_info.json promises, None where it does not say."""

    path: Path
    split: str
    episodes: int | None


def version_folder(folder: Path) -> Path:
    """The folder of the shards: `folder` itself, or its newest version. Raises TrainerError where there is none."""
    if not folder.is_dir():
        raise TrainerError(f"data_root_dir / dataset_name: no data set at {folder}{_neighbours(folder)}")
    if _shard_names(folder):
        return folder
    versions = [child for child in folder.iterdir() if child.is_dir() and VERSION.fullmatch(child.name)]
    if not versions:
        raise TrainerError(
            f"{folder}: holds neither *.tfrecord-NNNNN-of-NNNNN files nor a version folder such as 1.0.0"
        )
    return max(versions, key=lambda child: tuple(int(part) for part in child.name.split(".")))


def lacks_feature(folder: Path, name: str) -> bool:
    """Whether a version folder's own description knows no feature of that name; one without a description may."""
    description = folder / "features.json"
    return description.is_file() and f'"{name}"' not in description.read_text(encoding="utf-8", errors="replace")


def _neighbours(folder: Path) -> str:
    if not folder.parent.is_dir():
        return f" ({folder.parent} does not exist)"
    found = sorted(child.name for child in folder.parent.iterdir() if child.is_dir() and not child.name.startswith("."))
    return f" (found there: {', '.join(found[:8]) or 'nothing'})"


def find_shards(folder: Path) -> list[Shard]:
    """The shards of all splits of a version folder, each split in order.

    Raises TrainerError where one is missing, or two sets of shards lie in one folder.
    """
    names = _shard_names(folder)
    if not names:
        raise TrainerError(f"{folder}: holds no *.tfrecord-NNNNN-of-NNNNN files")
    promised = _promised_episodes(folder)
    shards: list[Shard] = []
    for split in sorted({match["split"] for match in names}):
        matches = [match for match in names if match["split"] == split]
        _check_complete(folder, split, matches)
        lengths = promised.get(split, [])
        episodes = lengths if len(lengths) == len(matches) else [None] * len(matches)
        shards += [Shard(folder / match[0], split, count) for match, count in zip(matches, episodes, strict=True)]
    return shards


def _shard_names(folder: Path) -> list[re.Match[str]]:
    matches = [SHARD.fullmatch(child.name) for child in folder.iterdir()]
    return sorted((match for match in matches if match), key=lambda match: match[0])


def _check_complete(folder: Path, split: str, matches: list[re.Match[str]]) -> None:
    sets = {(match["name"], match["count"]) for match in matches}
    if len(sets) > 1:
        raise TrainerError(f"{folder}: holds the {split} shards of more than one data set: {sorted(sets)}")
    count = int(matches[0]["count"])
    missing = sorted(set(range(count)) - {int(match["number"]) for match in matches})
    if missing:
        name = f"{matches[0]['name']}-{split}.tfrecord-{missing[0]:05d}-of-{count:05d}"
        raise TrainerError(f"{folder}: {len(missing)} of {count} {split} shards are missing, the first is {name}")


def _promised_episodes(folder: Path) -> dict[str, list[int | None]]:
    """Episodes a shard by split, from dataset_info.json; empty where it is absent or says nothing usable."""
    path = folder / "dataset_info.json"
    try:
        splits = json.loads(path.read_bytes()).get("splits", [])
        return {split["name"]: [_count(text) for text in split.get("shardLengths", [])] for split in splits}
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainerError(f"{path}: no description of a TFDS data set: {error!r}") from error


def _count(text: str | int) -> int | None:
    return int(text) if str(text).isdigit() else None


def split_range(text: str, episodes: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """First and one-past-last episode of a TFDS split name such as `train`, `train[:95%]` or `train[95%:]`.

    `episodes` gives the range of every split on disk. A border is rounded to the closest episode, as TFDS does.
    Raises TrainerError for an unknown split.
    """
    match = SLICE.fullmatch(text)
    if match is None or match["split"] not in episodes:
        raise TrainerError(f"split: {text!r} is none of {', '.join(episodes)}, nor a part such as train[:95%]")
    first, last = episodes[match["split"]]
    low, high = (int((match[end] or default).rstrip("%")) for end, default in (("low", "0"), ("high", "100")))
    return first + round((last - first) * low / 100), first + round((last - first) * high / 100)
