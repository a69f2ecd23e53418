"""Recorded episodes on the disk, one file each, until they become a data set: what makes recording resumable."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from vlad.records.files import replace_file

from vlatrain.data.rlds_writer import EncodedEpisode
from vlatrain.data.threads import done_ahead
from vlatrain.errors import TrainerError

SUFFIX = ".npz"
PLAN_FILE = "plan.json"
READERS = 4


def begun(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """What is noted in a spool, made where it is not there. Raises TrainerError where it is of another plan."""
    file = folder / PLAN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.is_file():
            note(folder, {"plan": dict(plan)})
        noted: dict[str, Any] = json.loads(file.read_text())
        known = dict(noted["plan"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainerError(f"{folder} cannot be gone on with: {error}; remove it") from error
    if others := sorted(name for name in {*known, *plan} if known.get(name) != plan.get(name)):
        told = f"{folder} was begun with other settings ({', '.join(others)})"
        raise TrainerError(f"{told}: use those of its {PLAN_FILE}, or remove it")
    return noted


def note(folder: Path, document: Mapping[str, Any]) -> None:
    """Writes the plan of a spool, and what else is known of it."""
    replace_file(folder / PLAN_FILE, json.dumps(document, indent=1).encode())


def episode_file(task: int, number: int) -> str:
    """What the file of a task's episode is called."""
    return f"task-{task:02d}-{number:05d}{SUFFIX}"


def episode_files(folder: Path) -> list[Path]:
    """The episodes in a spool, tasks in turn."""
    return sorted(folder.glob(f"task-*{SUFFIX}"), key=lambda path: (path.name[8:], path.name))


def save_episode(path: Path, episode: EncodedEpisode) -> None:
    """Writes the file, all of it or nothing."""
    told = {"task": episode.task, "instruction": episode.instruction, "image_shape": list(episode.image_shape)}
    if episode.model_file is not None:
        told["model_file"] = episode.model_file
    arrays: dict[str, Any] = {"told": np.array(json.dumps(told)), "actions": episode.actions}
    arrays |= _packed("images", episode.images)
    if episode.wrist_images is not None:
        arrays |= _packed("wrist_images", episode.wrist_images)
    if episode.states is not None:
        arrays["states"] = episode.states
    if episode.coordinates is not None:
        arrays["coordinates"] = episode.coordinates
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    replace_file(path, stream.getbuffer())


def _packed(name: str, files: list[bytes]) -> dict[str, Any]:
    return {name: np.frombuffer(b"".join(files), np.uint8), f"{name}_sizes": np.array([len(one) for one in files])}


def load_episode(path: Path) -> EncodedEpisode:
    """Raises TrainerError for a file that is none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            told = json.loads(str(arrays["told"]))
            return EncodedEpisode(
                task=told["task"],
                instruction=told["instruction"],
                image_shape=tuple(told["image_shape"]),
                images=list(_unpacked(arrays, "images")),
                actions=arrays["actions"],
                wrist_images=list(_unpacked(arrays, "wrist_images")) if "wrist_images" in arrays else None,
                states=arrays.get("states"),
                coordinates=arrays.get("coordinates"),
                model_file=told.get("model_file"),
            )
    except (OSError, ValueError, KeyError) as error:
        raise TrainerError(f"{path} is no recorded episode: {error}; remove it and go on") from error


def load_ahead(files: Sequence[Path]) -> Iterator[EncodedEpisode]:
    """The episodes of these files in their order; threads read the next ones meanwhile."""
    with ThreadPoolExecutor(READERS) as threads:
        yield from done_ahead(threads, load_episode, files, READERS)


def _unpacked(arrays: Any, name: str) -> Iterator[bytes]:
    content = arrays[name].tobytes()
    start = 0
    for size in arrays[f"{name}_sizes"].tolist():
        yield content[start : start + size]
        start += size
