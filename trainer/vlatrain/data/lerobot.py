"""LeRobot data sets (v2.0, v2.1, v3.0) as episodes: rows from Parquet, pictures from Parquet or from video.

v2 has one Parquet file and one video an episode; v3 has many episodes a file, and tables that say where each begins.
The wrist camera and the hand's states are read where they have the names that LIBERO's sets give them.
Source: the layout that huggingface/lerobot writes to meta/info.json.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlatrain.data.actions import ACTION_DIM, STATE_DIM
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

PREFERRED_CAMERAS = ("observation.images.image", "observation.image", "image")
WRIST_CAMERAS = ("observation.images.wrist_image", "observation.wrist_image", "observation.images.image2")
STATE_KEYS = ("observation.state", "state")
ACTION_KEYS = ("action", "actions")
ROWS_AT_ONCE = 256

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Layout:
    """What meta/info.json says, as far as it is needed."""

    folder: Path
    version: str
    fps: float
    data_path: str
    video_path: str | None
    chunks_size: int
    camera: str
    action: str
    in_video: bool
    wrist: str | None = None
    state: str | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        return (self.camera,) if self.wrist is None else (self.camera, self.wrist)


def lerobot_episodes(folder: Path, camera: str | None = None) -> Iterator[Episode]:
    """Every episode in order; `camera` is needed where the set has several and none of the usual names.

    Raises TrainerError for sets of other versions, without such a camera, or whose actions are not seven numbers.
    """
    _check_packages()
    layout = read_layout(folder, camera)
    tasks = _tasks(folder)
    videos = _video_table(layout) if layout.in_video and not _is_v2(layout) else {}
    for number, rows in groupby(_rows(layout), key=lambda row: int(row["episode_index"])):
        yield _episode(layout, number, list(rows), tasks, videos)


def _check_packages() -> None:
    try:
        import av  # noqa: F401  asked for before hours of work, not amid them
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise TrainerError(f"LeRobot data sets need {error.name}: pip install 'vlatui[data]'") from error


def read_layout(folder: Path, camera: str | None) -> Layout:
    """Reads and checks meta/info.json."""
    path = folder / "meta" / "info.json"
    try:
        info = json.loads(path.read_bytes())
        features = info["features"]
        camera = _camera(path, features, camera)
        action = next((key for key in ACTION_KEYS if key in features), ACTION_KEYS[0])
        layout = Layout(
            folder=folder,
            version=info["codebase_version"],
            fps=float(info["fps"]),
            data_path=info["data_path"],
            video_path=info.get("video_path"),
            chunks_size=int(info.get("chunks_size", 1000)),
            camera=camera,
            action=action,
            in_video=features[camera]["dtype"] == "video",
            wrist=_wrist(features, camera),
            state=_state(features),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainerError(f"{path}: no description of a LeRobot data set: {error!r}") from error
    if not layout.version.startswith(("v2.", "v3.")):
        raise TrainerError(
            f"{path}: LeRobot version {layout.version}; v2.0 to v3.0 can be read, convert it with lerobot"
        )
    if list(features.get(action, {}).get("shape", [])) != [ACTION_DIM]:
        raise TrainerError(f"{path}: feature {action!r} is not {ACTION_DIM} numbers: {features.get(action)}")
    return layout


def _camera(path: Path, features: dict[str, Any], wanted: str | None) -> str:
    cameras = [name for name, feature in features.items() if feature["dtype"] in {"image", "video"}]
    chosen = [name for name in ((wanted,) if wanted else PREFERRED_CAMERAS) if name in cameras]
    if not chosen and (wanted or len(cameras) != 1):
        raise TrainerError(f"{path}: camera {wanted or 'not given'}; there are {', '.join(cameras) or 'none'}")
    return (chosen or cameras)[0]


def _wrist(features: dict[str, Any], camera: str) -> str | None:
    """The wrist camera, where it is stored as the other one is."""
    kind = features[camera]["dtype"]
    named = [key for key in WRIST_CAMERAS if key in features and key != camera]
    return next((key for key in named if features[key]["dtype"] == kind), None)


def _state(features: dict[str, Any]) -> str | None:
    """The hand's state, where it is of eight numbers."""
    shapes = {key: list(features[key]["shape"]) for key in STATE_KEYS if key in features}
    return next((key for key, shape in shapes.items() if shape == [STATE_DIM]), None)


def _is_v2(layout: Layout) -> bool:
    return layout.version.startswith("v2.")


def _tasks(folder: Path) -> dict[int, str]:
    """Instructions by task index."""
    lines, table = folder / "meta" / "tasks.jsonl", folder / "meta" / "tasks.parquet"
    if lines.exists():
        rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {int(row["task_index"]): str(row["task"]) for row in rows}
    rows = _table_rows(table)
    texts = [next(value for key, value in row.items() if key != "task_index") for row in rows]
    return {int(row["task_index"]): str(text) for row, text in zip(rows, texts, strict=True)}


def _table_rows(path: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_table(path, columns=columns).to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise TrainerError(f"{path}: cannot be read as Parquet: {error}") from error


def _rows(layout: Layout) -> Iterator[dict[str, Any]]:
    """The frames of all files, a few hundred in memory at a time; pictures only where they are not in a video."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["episode_index", "task_index", layout.action, *([] if layout.in_video else layout.cameras)]
    columns += [layout.state] if layout.state else []
    files = sorted((layout.folder / "data").glob("*/*.parquet"))
    if not files:
        raise TrainerError(f"{layout.folder / 'data'}: holds no */*.parquet files")
    for path in files:
        try:
            batches = pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE, columns=columns)
            yield from chain.from_iterable(batch.to_pylist() for batch in batches)
        except (OSError, pa.ArrowException) as error:
            raise TrainerError(f"{path}: cannot be read as Parquet: {error}") from error


def _episode(
    layout: Layout, number: int, rows: list[dict[str, Any]], tasks: dict[int, str], videos: dict[int, dict[str, Any]]
) -> Episode:
    task = int(rows[0]["task_index"])
    if task not in tasks:
        raise TrainerError(f"{layout.folder}: episode {number} has task {task}, which meta/tasks does not name")
    return Episode(
        task=f"task_{task}",
        instruction=tasks[task],
        images=_pictures(layout, number, rows, videos, layout.camera),
        actions=np.array([row[layout.action] for row in rows], np.float32),
        wrist_images=_pictures(layout, number, rows, videos, layout.wrist) if layout.wrist else None,
        states=np.array([row[layout.state] for row in rows], np.float32) if layout.state else None,
    )


def _pictures(
    layout: Layout, number: int, rows: list[dict[str, Any]], videos: dict[int, dict[str, Any]], camera: str
) -> Images:
    """What one camera saw in an episode."""
    if not layout.in_video:
        return np.stack([_decoded(layout, number, row[camera]) for row in rows])
    path, start_s = _video(layout, number, videos, camera)
    return video_frames(path, start_s, len(rows), layout.fps)


def _decoded(layout: Layout, number: int, cell: dict[str, Any]) -> Images:
    try:
        source = io.BytesIO(cell["bytes"]) if cell.get("bytes") else layout.folder / cell["path"]
        return np.asarray(Image.open(source).convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise TrainerError(f"{layout.folder}: episode {number}: corrupt image: {error}") from error


def _video_table(layout: Layout) -> dict[int, dict[str, Any]]:
    """Rows of meta/episodes by episode: in which file each lies, and from which second on (v3)."""
    names = ("chunk_index", "file_index", "from_timestamp")
    columns = ["episode_index", *(f"videos/{camera}/{name}" for camera in layout.cameras for name in names)]
    files = sorted((layout.folder / "meta" / "episodes").glob("*/*.parquet"))
    return {int(row["episode_index"]): row for path in files for row in _table_rows(path, columns)}


def _video(layout: Layout, number: int, videos: dict[int, dict[str, Any]], camera: str) -> tuple[Path, float]:
    """The file in which a camera shows an episode, and at which second the episode begins."""
    template = layout.video_path or ""
    if _is_v2(layout):
        chunk = number // layout.chunks_size
        path = template.format(episode_chunk=chunk, video_key=camera, episode_index=number)
        return layout.folder / path, 0.0
    if number not in videos:
        raise TrainerError(f"{layout.folder}: meta/episodes does not say where the video of episode {number} is")
    where = {name: videos[number][f"videos/{camera}/{name}"] for name in ("chunk_index", "file_index")}
    path = template.format(video_key=camera, **where)
    return layout.folder / path, float(videos[number][f"videos/{camera}/from_timestamp"])


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
        raise TrainerError(f"{path}: cannot be read as a video: {error}") from error
    if len(frames) < count:
        raise TrainerError(f"{path}: {len(frames)} pictures from second {start_s:g} on, where {count} are needed")
    return np.stack(frames)
