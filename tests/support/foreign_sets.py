"""Small data sets in LeRobot's formats and in LIBERO's HDF5, all of the same three episodes."""

import json
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from vlatrain.data.jpeg import encoded as jpeg

FPS = 10
SIZE = 64
CAMERA = "observation.images.image"
WRIST, STATE = "observation.images.wrist_image", "observation.state"
LENGTHS = (5, 12, 7)
TASKS = ("open the drawer", "put the bowl on the plate")
V2_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
V3_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
V3_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def pictures(episode: int, count: int) -> NDArray[np.uint8]:
    """Flat pictures whose grey tells episode and step, a little lighter on the right."""
    grey = 20 + 60 * episode + 4 * np.arange(count)
    images = np.repeat(grey, SIZE * SIZE * 3).reshape(count, SIZE, SIZE, 3)
    images[:, :, SIZE // 2 :] += 10
    return images.astype(np.uint8)


def actions(episode: int, count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(episode)
    return np.concatenate([rng.uniform(-1, 1, (count, 6)), rng.choice([-1, 1], (count, 1))], axis=1).astype(np.float32)


def states(episode: int, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(100 + episode).normal(size=(count, 8)).astype(np.float32)


def write_video(path: Path, images: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"g": "4", "crf": "10"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def rows_of(episode: int, in_video: bool) -> dict[str, list[Any]]:
    count = LENGTHS[episode]
    rows: dict[str, list[Any]] = {
        "episode_index": [episode] * count,
        "frame_index": list(range(count)),
        "task_index": [episode % 2] * count,
        "action": actions(episode, count).tolist(),
        STATE: states(episode, count).tolist(),
    }
    if not in_video:
        rows[CAMERA] = [{"bytes": jpeg(image), "path": None} for image in pictures(episode, count)]
        rows[WRIST] = [{"bytes": jpeg(255 - image), "path": None} for image in pictures(episode, count)]
    return rows


def write_info(folder: Path, version: str, in_video: bool, **changes: Any) -> None:
    v3 = version == "v3.0"
    info = {
        "codebase_version": version,
        "fps": FPS,
        "chunks_size": 2,
        "data_path": V3_DATA if v3 else V2_DATA,
        "video_path": V3_VIDEO if v3 else V2_VIDEO,
        "features": {
            CAMERA: {"dtype": "video" if in_video else "image", "shape": [SIZE, SIZE, 3]},
            WRIST: {"dtype": "video" if in_video else "image", "shape": [SIZE, SIZE, 3]},
            "observation.images.other": {"dtype": "video", "shape": [SIZE, SIZE, 3]},
            STATE: {"dtype": "float32", "shape": [8]},
            "action": {"dtype": "float32", "shape": [7]},
            "episode_index": {"dtype": "int64", "shape": [1]},
        },
        **changes,
    }
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info))


def write_v2(folder: Path, in_video: bool) -> None:
    write_info(folder, "v2.1", in_video)
    lines = [json.dumps({"task_index": number, "task": task}) for number, task in enumerate(TASKS)]
    (folder / "meta" / "tasks.jsonl").write_text("\n".join(lines) + "\n")
    for episode, count in enumerate(LENGTHS):
        path = folder / V2_DATA.format(episode_chunk=episode // 2, episode_index=episode)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows_of(episode, in_video)), path)
        if in_video:
            video = V2_VIDEO.format(episode_chunk=episode // 2, video_key=CAMERA, episode_index=episode)
            write_video(folder / video, pictures(episode, count))
            other = V2_VIDEO.format(episode_chunk=episode // 2, video_key=WRIST, episode_index=episode)
            write_video(folder / other, 255 - pictures(episode, count))


def write_v3(folder: Path, in_video: bool) -> None:
    """Two data files and, one after the other in a single video, all episodes."""
    write_info(folder, "v3.0", in_video)
    tasks = pa.table({"task_index": [0, 1], "__index_level_0__": list(TASKS)})
    pq.write_table(tasks, folder / "meta" / "tasks.parquet")
    for number, episodes in enumerate(((0, 1), (2,))):
        path = folder / V3_DATA.format(chunk_index=0, file_index=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables([pa.table(rows_of(one, in_video)) for one in episodes]), path)
    starts = [sum(LENGTHS[:episode]) / FPS for episode in range(len(LENGTHS))]
    (folder / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    where = {
        "episode_index": [0, 1, 2],
        f"videos/{CAMERA}/chunk_index": [0] * 3,
        f"videos/{CAMERA}/file_index": [0] * 3,
        f"videos/{CAMERA}/from_timestamp": starts,
        f"videos/{WRIST}/chunk_index": [0] * 3,
        f"videos/{WRIST}/file_index": [0] * 3,
        f"videos/{WRIST}/from_timestamp": starts,
    }
    pq.write_table(pa.table(where), folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    if in_video:
        whole = np.concatenate([pictures(episode, count) for episode, count in enumerate(LENGTHS)])
        write_video(folder / V3_VIDEO.format(video_key=CAMERA, chunk_index=0, file_index=0), whole)
        write_video(folder / V3_VIDEO.format(video_key=WRIST, chunk_index=0, file_index=0), 255 - whole)


def write_hdf5(path: Path, problem_info: str | None = '{"language_instruction": "open the drawer"}') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        if problem_info is not None:
            data.attrs["problem_info"] = problem_info
        for episode, count in enumerate(LENGTHS):
            demonstration = data.create_group(f"demo_{episode}")
            demonstration["actions"] = actions(episode, count).astype(np.float64)
            demonstration["obs/agentview_rgb"] = pictures(episode, count)[:, ::-1, ::-1]
