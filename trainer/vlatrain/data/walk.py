"""Walks RLDS shards and notes where every frame lies; refuses what is no episode, by file and offset."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.actions import ACTION_DIM, STATE_DIM
from vlatrain.data.example import FeatureSpan, Kind, bytes_spans, feature_spans, floats
from vlatrain.data.shards import Shard
from vlatrain.data.tfrecord import MappedFile, record_spans

ROW = np.dtype(
    [
        ("image_offset", "<u8"),
        ("image_size", "<u4"),
        ("shard", "<u4"),
        ("episode", "<u4"),
        ("step", "<u4"),
        ("instruction", "<u4"),
        ("action", "<f4", (ACTION_DIM,)),
        ("state", "<f4", (STATE_DIM,)),
    ]
)
ACTION = "steps/action"
STATE = "steps/observation/state"
INSTRUCTION = "steps/language_instruction"
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG"

Progress = Callable[[int, int], None]
"""Called with (bytes walked, bytes in all) now and then."""


class Walked(NamedTuple):
    """All frames of a set; `episodes` counts the records of each shard; `has_states` if all know the hand's."""

    rows: NDArray[np.void]
    instructions: tuple[str, ...]
    episodes: tuple[int, ...]
    has_states: bool


def walk(shards: list[Shard], image_key: str, *, verify: bool, progress: Progress) -> Walked:
    """The rows of every frame in `shards`, in order.

    `verify` checks every checksum, which reads all bytes; otherwise only headers, tags and actions are touched.
    Raises TrainerError for files that are truncated, corrupt or hold something else.
    """
    total = sum(shard.path.stat().st_size for shard in shards)
    instructions: dict[bytes, int] = {}
    parts: list[NDArray[np.void]] = []
    counts: list[int] = []
    done = 0
    has_states = bool(shards)
    for number, shard in enumerate(shards):
        file = MappedFile(shard.path)
        records = []
        for rows, knows_states in _episodes(file, image_key, instructions, verify=verify):
            records.append(rows)
            has_states = has_states and knows_states
        _check_promise(file, shard, len(records))
        for place, rows in enumerate(records):
            rows["shard"] = number
            rows["episode"] = sum(counts) + place
        parts += records
        counts.append(len(records))
        done += file.size_bytes
        progress(done, total)
    rows = np.concatenate(parts) if parts else np.zeros(0, ROW)
    return Walked(rows, tuple(text.decode() for text in instructions), tuple(counts), has_states)


def _check_promise(file: MappedFile, shard: Shard, found: int) -> None:
    if shard.episodes is not None and shard.episodes != found:
        raise file.wrong(file.size_bytes, f"ends after {found} episodes; dataset_info.json promises {shard.episodes}")


def _episodes(
    file: MappedFile, image_key: str, instructions: dict[bytes, int], *, verify: bool
) -> Iterator[tuple[NDArray[np.void], bool]]:
    for start, end in record_spans(file, verify=verify):
        yield _episode(file, start, end, image_key, instructions)


def _episode(
    file: MappedFile, start: int, end: int, image_key: str, instructions: dict[bytes, int]
) -> tuple[NDArray[np.void], bool]:
    """The rows of one record, and whether it knows the hand's states; new instructions are added to `instructions`."""
    features = feature_spans(file, start, end)
    images = _bytes_feature(file, start, features, f"steps/observation/{image_key}")
    texts = _bytes_feature(file, start, features, INSTRUCTION)
    rows = np.zeros(len(images), ROW)
    if not len(images) == len(texts):
        raise file.wrong(start, f"{len(images)} images but {len(texts)} instructions in one episode")
    rows["action"] = _actions(file, start, features, len(images))
    rows["step"] = np.arange(len(images))
    rows["image_offset"] = [image_start for image_start, _ in images]
    rows["image_size"] = [image_end - image_start for image_start, image_end in images]
    rows["instruction"] = [_number(file, span, instructions) for span in texts]
    _check_images(file, images)
    states = _states(file, features, len(images))
    if states is not None:
        rows["state"] = states
    return rows, states is not None


def _bytes_feature(file: MappedFile, start: int, features: dict[str, FeatureSpan], name: str) -> list[tuple[int, int]]:
    span = features.get(name)
    if span is None or span.kind is not Kind.BYTES:
        present = ", ".join(sorted(name for name, span in features.items() if span.kind is Kind.BYTES)) or "none"
        raise file.wrong(start, f"no RLDS episode with {name} (byte features here: {present})")
    return bytes_spans(file, span.start, span.end)


def _actions(file: MappedFile, start: int, features: dict[str, FeatureSpan], frames: int) -> NDArray[np.float32]:
    span = features.get(ACTION)
    if span is None or span.kind is not Kind.FLOATS:
        raise file.wrong(start, f"no RLDS episode with {ACTION} as a list of floats")
    values = floats(file, span.start, span.end)
    if len(values) != frames * ACTION_DIM:
        raise file.wrong(start, f"{len(values)} action numbers for {frames} frames; {ACTION_DIM} a frame are needed")
    if not np.isfinite(values).all():
        raise file.wrong(span.start, f"{ACTION} holds numbers that are not finite")
    return values.reshape(frames, ACTION_DIM)


def _states(file: MappedFile, features: dict[str, FeatureSpan], frames: int) -> NDArray[np.float32] | None:
    """The hand's states [T, 8]; None where there are none, or numbers of another meaning."""
    span = features.get(STATE)
    if span is None or span.kind is not Kind.FLOATS:
        return None
    values = floats(file, span.start, span.end)
    return values.reshape(frames, STATE_DIM) if len(values) == frames * STATE_DIM else None


def _number(file: MappedFile, span: tuple[int, int], instructions: dict[bytes, int]) -> int:
    text = bytes(file.data[span[0] : span[1]])
    if text not in instructions:
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise file.wrong(span[0], f"{INSTRUCTION} is not UTF-8") from error
    return instructions.setdefault(text, len(instructions))


def _check_images(file: MappedFile, images: list[tuple[int, int]]) -> None:
    for start, end in images:
        if not file.data[start : min(start + 4, end)].startswith((JPEG, PNG)):
            raise file.wrong(start, "an image is neither JPEG nor PNG")
