"""The byte-offset index of a data set: built once, then opened by memory map, whatever its size.

A cache beside the data (else in the user's cache folder): a header of JSON and one row a frame. It is built anew when
the size or the modification time of any shard changes.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.shards import Shard
from vlatrain.data.walk import ROW, Progress, Walked, walk

log = logging.getLogger(__name__)

MAGIC = b"VLAINDEX"
SCHEMA = 2
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """One row a frame, in order of split, shard, episode and step."""

    rows: NDArray[np.void]
    instructions: tuple[str, ...]
    episodes: tuple[int, ...]
    has_states: bool


def open_index(
    shards: list[Shard],
    image_key: str,
    *,
    cache_dir: Path | None,
    verify: bool,
    progress: Progress,
    saves: bool = True,
) -> FrameIndex:
    """The index of `shards`, from the cache where that is still true of them.

    `verify` reads every byte for its checksum, cache or not. Without `saves` nothing is written.
    Raises TrainerError for broken shards.
    """
    stamp = _stamp(shards, image_key)
    places = _cache_places(shards[0].path.parent, image_key, cache_dir)
    if not verify:
        for place in places:
            if (index := _read(place, stamp)) is not None:
                return index
    walked = walk(shards, image_key, verify=verify, progress=progress)
    if saves:
        _save(places, stamp, walked)
    return FrameIndex(*walked)


def _stamp(shards: list[Shard], image_key: str) -> dict[str, Any]:
    found = [(shard.path.name, shard.path.stat()) for shard in shards]
    files = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found]
    return {"schema": SCHEMA, "row": ROW.itemsize, "image_key": image_key, "files": files}


def _cache_places(folder: Path, image_key: str, cache_dir: Path | None) -> list[Path]:
    """Where the index may lie, best first."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(f"{folder.resolve()}\n{image_key}".encode()).hexdigest()[:24]
    elsewhere = (cache_dir or base / "vlatrain") / "index" / f"{name}.bin"
    return [folder / f".frames-{image_key}.index", elsewhere]


def _read(path: Path, stamp: dict[str, Any]) -> FrameIndex | None:
    """The cached index, or None where it is absent, stale, cut short or of another version."""
    try:
        with path.open("rb") as file:
            prefix = file.read(len(MAGIC) + 8)
            size = int.from_bytes(prefix[len(MAGIC) :], "little")
            header = json.loads(file.read(size)) if prefix[: len(MAGIC)] == MAGIC else {}
        if header.get("stamp") != stamp or path.stat().st_size != _rows_offset(size) + header["rows"] * ROW.itemsize:
            return None
        rows = np.memmap(path, ROW, "r", _rows_offset(size), (header["rows"],)) if header["rows"] else np.zeros(0, ROW)
    except (OSError, ValueError):
        return None
    return FrameIndex(rows, tuple(header["instructions"]), tuple(header["episodes"]), bool(header["has_states"]))


def _rows_offset(header_size: int) -> int:
    return -(-(len(MAGIC) + 8 + header_size) // ALIGNMENT) * ALIGNMENT


def _save(places: list[Path], stamp: dict[str, Any], walked: Walked) -> None:
    """Writes the cache at the first place that takes it; without one, the next start walks the data again."""
    header = {
        "stamp": stamp,
        "rows": len(walked.rows),
        "instructions": walked.instructions,
        "episodes": walked.episodes,
        "has_states": walked.has_states,
    }
    text = json.dumps(header).encode()
    start = (MAGIC + len(text).to_bytes(8, "little") + text).ljust(_rows_offset(len(text)), b"\0")
    for place in places:
        aside = place.with_name(f".{place.name}.{os.getpid()}.new")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                file.write(start)
                walked.rows.tofile(file)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(place)
            return
        except OSError as error:
            aside.unlink(missing_ok=True)
            log.info("no index cache at %s: %s", place, error.strerror)
