"""LeRobot data sets (v2.0, v2.1, v3.0) as episodes: rows from Parquet, pictures from Parquet or from video.

v2 has one Parquet file and one video an episode; v3 has many episodes a file, and tables that say where each begins.
The wrist camera and the hand's states are read where they have the names that LIBERO's sets give them.
Source: the layout that huggingface/lerobot writes.
"""

import io
import json
from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vlatrain.data.lerobot_layout import Layout, read_layout
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

ROWS_AT_ONCE = 256

Images = NDArray[np.uint8]
Videos = dict[int, dict[str, Any]]
"""Rows of meta/episodes by episode; empty for v2."""


def lerobot_episodes(folder: Path, camera: str | None = None) -> Iterator[Episode]:
    """Every episode in order; `camera` is needed where the set has several and none of the usual names.

    Raises TrainerError for what `read_layout` refuses, and for files that are missing, broken or without a column.
    """
    check_packages()
    layout = read_layout(folder, camera)
    tasks = _tasks(folder)
    files = _data_files(layout)
    videos = _video_table(layout) if layout.in_video and not layout.is_v2 else {}
    if layout.in_video:
        _check_videos(layout, videos)
    found = 0
    for number, rows in groupby(_rows(layout, files), key=lambda row: int(row["episode_index"])):
        found += 1
        yield _episode(layout, number, list(rows), tasks, videos)
    if layout.episodes not in (None, found):
        raise TrainerError(f"{folder}: its files hold {found} episodes; meta/info.json promises {layout.episodes}")


def check_packages() -> None:
    """Raises TrainerError where a library is missing: before hours of work, not amid them."""
    try:
        import av  # noqa: F401  asked for only
        import pyarrow  # noqa: F401  asked for only
    except ImportError as error:
        raise TrainerError(f"LeRobot data sets need {error.name}: pip install 'vlatui[data]'") from error


def _tasks(folder: Path) -> dict[int, str]:
    """Instructions by task index."""
    lines, table = folder / "meta" / "tasks.jsonl", folder / "meta" / "tasks.parquet"
    path = lines if lines.exists() else table
    if not path.exists():
        raise TrainerError(f"{folder / 'meta'}: holds neither tasks.jsonl nor tasks.parquet")
    rows = _lines(path) if path is lines else _table_rows(path)
    try:
        texts = [row["task"] if "task" in row else next(row[key] for key in row if key != "task_index") for row in rows]
        return {int(row["task_index"]): str(text) for row, text in zip(rows, texts, strict=True)}
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise TrainerError(f"{path}: not every task has a task_index and a text: {error!r}") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise TrainerError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TrainerError(f"{path}: not a JSON object a line: {error}") from error


def _table_rows(path: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    _checked_metadata(path, columns or [])
    return list(pq.ParquetFile(path).read(columns=columns).to_pylist())


def _checked_metadata(path: Path, columns: list[str]) -> Any:
    """What a Parquet file's end tells of it. Raises TrainerError where it is broken, or lacks one of these columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        told = str(error).partition("\n")[0]
        raise TrainerError(f"{path}: cannot be read as Parquet: {told}") from error
    there = metadata.schema.to_arrow_schema().names
    if absent := [column for column in columns if column not in there]:
        raise TrainerError(f"{path}: has no column {absent[0]} (there are {', '.join(there)})")
    return metadata


def _data_files(layout: Layout) -> list[Path]:
    """The files of rows, in order; each can be read, and all together are whole. Raises TrainerError otherwise."""
    files = sorted((layout.folder / "data").glob("*/*.parquet"))
    if not files:
        raise TrainerError(f"{layout.folder / 'data'}: holds no */*.parquet files")
    found = sum(_checked_metadata(path, layout.columns).num_rows for path in files)
    if layout.frames not in (None, found):
        raise TrainerError(
            f"{layout.folder / 'data'}: {len(files)} Parquet files of {found} frames; meta/info.json promises "
            f"{layout.frames}: some are missing, or of another version of the set"
        )
    return files


def _rows(layout: Layout, files: list[Path]) -> Iterator[dict[str, Any]]:
    """The frames of all files, a few hundred in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in files:
        try:
            batches = pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE, columns=layout.columns)
            yield from chain.from_iterable(batch.to_pylist() for batch in batches)
        except (OSError, pa.ArrowException) as error:
            raise TrainerError(f"{path}: cannot be read as Parquet: {error}") from error


def _episode(layout: Layout, number: int, rows: list[dict[str, Any]], tasks: dict[int, str], videos: Videos) -> Episode:
    task = int(rows[0]["task_index"])
    if task not in tasks:
        raise TrainerError(f"{layout.folder}: episode {number} has task {task}, which meta/tasks does not name")
    images = _pictures(layout, number, rows, videos, layout.camera)
    wrist_images = _pictures(layout, number, rows, videos, layout.wrist) if layout.wrist else None
    try:
        return Episode(
            task=f"task_{task}",
            instruction=tasks[task],
            images=images,
            actions=np.array([row[layout.action] for row in rows], np.float32),
            wrist_images=wrist_images,
            states=np.array([row[layout.state] for row in rows], np.float32) if layout.state else None,
        )
    except (ValueError, TypeError) as error:
        raise TrainerError(f"{layout.folder}: episode {number}: {error}") from error


def _pictures(layout: Layout, number: int, rows: list[dict[str, Any]], videos: Videos, camera: str) -> Images:
    """What one camera saw in an episode."""
    if not layout.in_video:
        return np.stack([_decoded(layout, number, row[camera]) for row in rows])
    path, start_s = _video(layout, number, videos, camera)
    return video_frames(path, start_s, len(rows), layout.fps)


def _decoded(layout: Layout, number: int, cell: dict[str, Any] | None) -> Images:
    try:
        if not cell or not (cell.get("bytes") or cell.get("path")):
            raise ValueError("there is none")
        source = io.BytesIO(cell["bytes"]) if cell.get("bytes") else layout.folder / cell["path"]
        return np.asarray(Image.open(source).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        told = "of no known kind" if isinstance(error, UnidentifiedImageError) else error
        raise TrainerError(f"{layout.folder}: episode {number}: corrupt image: {told}") from error


def _video_table(layout: Layout) -> Videos:
    """In which file each episode's video lies, and from which second on (v3)."""
    names = ("chunk_index", "file_index", "from_timestamp")
    columns = ["episode_index", *(f"videos/{camera}/{name}" for camera in layout.cameras for name in names)]
    files = sorted((layout.folder / "meta" / "episodes").glob("*/*.parquet"))
    return {int(row["episode_index"]): row for path in files for row in _table_rows(path, columns)}


def _video(layout: Layout, number: int, videos: Videos, camera: str) -> tuple[Path, float]:
    """The file in which a camera shows an episode, and at which second the episode begins."""
    if layout.is_v2:
        where = {"episode_chunk": number // layout.chunks_size, "episode_index": number}
        return layout.folder / _filled(layout, video_key=camera, **where), 0.0
    if number not in videos:
        raise TrainerError(f"{layout.folder}: meta/episodes does not say where the video of episode {number} is")
    told = {name: videos[number][f"videos/{camera}/{name}"] for name in ("chunk_index", "file_index")}
    path = layout.folder / _filled(layout, video_key=camera, **told)
    return path, float(videos[number][f"videos/{camera}/from_timestamp"])


def _check_videos(layout: Layout, videos: Videos) -> None:
    """Raises TrainerError for the first video that is missing, before any of them is decoded."""
    numbers = range(layout.episodes or 0) if layout.is_v2 else videos
    paths = dict.fromkeys(_video(layout, number, videos, camera)[0] for number in numbers for camera in layout.cameras)
    if absent := next((path for path in paths if not path.is_file()), None):
        raise TrainerError(f"{absent}: is missing; download the data set again")


def _filled(layout: Layout, **words: object) -> str:
    try:
        return layout.video_path.format(**words)
    except (LookupError, ValueError) as error:
        told = f"video_path {layout.video_path!r} cannot be filled in: {error!r}"
        raise TrainerError(f"{layout.folder / 'meta' / 'info.json'}: {told}") from error


def video_frames(path: Path, start_s: float, count: int, fps: float) -> Images:
    """`count` pictures [count,H,W,3] from second `start_s` on. Raises TrainerError for broken or shorter videos."""
    import av

    frames: list[Images] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            container.seek(int(start_s * av.time_base))
            for frame in container.decode(stream):
                if len(frames) < count and frame.time is not None and frame.time > start_s - 0.5 / fps:
                    frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                if len(frames) == count:
                    break
    except (OSError, IndexError, av.FFmpegError) as error:
        told = getattr(error, "strerror", None) or error
        raise TrainerError(f"{path}: cannot be read as a video: {told}") from error
    if len(frames) < count:
        raise TrainerError(f"{path}: {len(frames)} pictures from second {start_s:g} on, where {count} are needed")
    return np.stack(frames)
