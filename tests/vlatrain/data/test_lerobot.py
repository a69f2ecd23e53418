"""LeRobot data sets: read as v2 and v3 lay them out, refused by file where they are broken."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign_sets import (
    CAMERA,
    LENGTHS,
    STATE,
    TASKS,
    V2_VIDEO,
    WRIST,
    actions,
    pictures,
    states,
    write_info,
    write_v2,
    write_v3,
    write_video,
)  # fmt: skip
from vlatrain.data.lerobot import lerobot_episodes
from vlatrain.errors import TrainerError


@pytest.mark.parametrize("in_video", [False, True], ids=["pictures in parquet", "pictures in video"])
@pytest.mark.parametrize("write", [write_v2, write_v3], ids=["v2.1", "v3.0"])
def test_lerobot_episodes_are_read_in_order(
    tmp_path: Path, write: Callable[[Path, bool], None], in_video: bool
) -> None:
    write(tmp_path, in_video)
    episodes = list(lerobot_episodes(tmp_path))
    assert [len(episode) for episode in episodes] == list(LENGTHS)
    for number, episode in enumerate(episodes):
        assert episode.instruction == TASKS[number % 2]
        np.testing.assert_array_equal(episode.actions, actions(number, LENGTHS[number]))
        difference = np.abs(episode.images.astype(int) - pictures(number, LENGTHS[number]))
        assert difference.max() <= 3, number  # a step is 4, an episode 60
        assert episode.wrist_images is not None
        mirrored = np.abs(episode.wrist_images.astype(int) - (255 - pictures(number, LENGTHS[number])))
        assert mirrored.max() <= 3, number
        np.testing.assert_array_equal(episode.states, states(number, LENGTHS[number]))


def test_the_columns_of_a_converted_libero_set_are_known(tmp_path: Path) -> None:
    """As openpi's conversion names them."""
    write_v2(tmp_path, False)
    names = {CAMERA: "image", WRIST: "wrist_image", STATE: "state", "action": "actions"}
    info = json.loads((tmp_path / "meta" / "info.json").read_text())
    features = {names.get(key, key): feature for key, feature in info["features"].items()}
    write_info(tmp_path, "v2.0", False, features=features)
    for path in (tmp_path / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.rename_columns([names.get(name, name) for name in table.column_names]), path)
    first, *_ = lerobot_episodes(tmp_path)
    np.testing.assert_array_equal(first.actions, actions(0, LENGTHS[0]))
    np.testing.assert_array_equal(first.states, states(0, LENGTHS[0]))
    assert first.wrist_images is not None
    assert np.abs(first.wrist_images.astype(int) - (255 - pictures(0, LENGTHS[0]))).max() <= 3


def write_two_cameras(folder: Path) -> None:
    features = {"a": {"dtype": "image"}, "b": {"dtype": "image"}, "action": {"shape": [7], "dtype": "float32"}}
    write_info(folder, "v2.1", False, features=features)


def write_fourteen_actions(folder: Path) -> None:
    features = {CAMERA: {"dtype": "image"}, "action": {"dtype": "float32", "shape": [14]}}
    write_info(folder, "v2.1", False, features=features)


def write_old_version(folder: Path) -> None:
    write_info(folder, "v1.6", False)


def write_broken_info(folder: Path) -> None:
    (folder / "meta").mkdir()
    (folder / "meta" / "info.json").write_text("{}")


def write_missing_video(folder: Path) -> None:
    write_v2(folder, True)
    next((folder / "videos").rglob("*.mp4")).unlink()


def write_short_video(folder: Path) -> None:
    write_v2(folder, True)
    write_video(folder / V2_VIDEO.format(episode_chunk=0, video_key=CAMERA, episode_index=1), pictures(1, 4))


def write_truncated_parquet(folder: Path) -> None:
    write_v2(folder, False)
    path = next((folder / "data").rglob("episode_000001.parquet"))
    path.write_bytes(path.read_bytes()[:-100])


def write_unnamed_task(folder: Path) -> None:
    write_v2(folder, False)
    (folder / "meta" / "tasks.jsonl").write_text('{"task_index": 0, "task": "go"}\n')


def write_missing_video_of_many(folder: Path) -> None:
    write_v2(folder, True)
    write_info(folder, "v2.1", True, total_episodes=3)
    next((folder / "videos").rglob("episode_000002.mp4")).unlink()


def write_truncated_video(folder: Path) -> None:
    write_v2(folder, True)
    path = folder / V2_VIDEO.format(episode_chunk=0, video_key=CAMERA, episode_index=1)
    path.write_bytes(path.read_bytes()[:300])


def write_missing_rows(folder: Path) -> None:
    write_v2(folder, False)
    write_info(folder, "v2.1", False, total_frames=sum(LENGTHS))
    next((folder / "data").rglob("episode_000001.parquet")).unlink()


def write_missing_episodes(folder: Path) -> None:
    write_v2(folder, False)
    write_info(folder, "v2.1", False, total_episodes=4)


def with_column(folder: Path, name: str, change: Callable[[list[Any]], list[Any]] | None) -> None:
    """Rewrites a column of the second of three episodes, or takes it out."""
    write_v2(folder, False)
    path = next((folder / "data").rglob("episode_000001.parquet"))
    rows = pq.read_table(path).to_pydict()
    values = rows.pop(name)
    pq.write_table(pa.table(rows | ({name: change(values)} if change else {})), path)


def write_without_a_column(folder: Path) -> None:
    with_column(folder, "action", None)


def write_no_number(folder: Path) -> None:
    with_column(folder, "action", lambda rows: [[float("nan"), *row[1:]] for row in rows])


def write_corrupt_picture(folder: Path) -> None:
    with_column(folder, CAMERA, lambda rows: [row | {"bytes": b"no picture"} for row in rows])


def write_absent_picture(folder: Path) -> None:
    with_column(folder, CAMERA, lambda rows: [*rows[:-1], None])


def write_no_tasks(folder: Path) -> None:
    write_v2(folder, False)
    (folder / "meta" / "tasks.jsonl").unlink()


def write_broken_tasks(folder: Path) -> None:
    write_v2(folder, False)
    (folder / "meta" / "tasks.jsonl").write_text("{\n")


def write_nameless_tasks(folder: Path) -> None:
    write_v2(folder, False)
    (folder / "meta" / "tasks.jsonl").write_text('{"number": 1}\n')


def write_odd_video_path(folder: Path) -> None:
    write_v2(folder, True)
    write_info(folder, "v2.1", True, video_path="x/{y}.mp4")


def write_no_rate(folder: Path) -> None:
    write_v2(folder, True)
    write_info(folder, "v2.1", True, fps=0)


def write_table_without_a_camera(folder: Path) -> None:
    write_v3(folder, True)
    path = folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    pq.write_table(pq.read_table(path).drop([f"videos/{CAMERA}/file_index"]), path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            write_two_cameras,
            r"info\.json: which camera is meant is not clear \(convert it with --camera\); there are a, b",
        ),
        (write_fourteen_actions, r"info\.json: feature 'action' is not 7 numbers"),
        (write_old_version, r"info\.json: LeRobot version v1\.6; v2\.0 to v3\.0 can be read"),
        (write_broken_info, r"info\.json: no description of a LeRobot data set: KeyError\('features'\)"),
        (write_missing_video, r"episode_\d+\.mp4: cannot be read as a video: No such file"),
        (write_missing_video_of_many, r"episode_000002\.mp4: is missing"),
        (write_truncated_video, r"episode_000001\.mp4: cannot be read as a video: [^\[]+$"),
        (write_missing_rows, r"data: 2 Parquet files of 12 frames; meta/info\.json promises 24"),
        (write_missing_episodes, r"its files hold 3 episodes; meta/info\.json promises 4"),
        (write_without_a_column, r"episode_000001\.parquet: has no column action \(there are episode_index, "),
        (write_no_number, r"episode 1: actions holds numbers that are not finite"),
        (write_corrupt_picture, r"episode 1: corrupt image: of no known kind"),
        (write_absent_picture, r"episode 1: corrupt image: there is none"),
        (write_no_tasks, r"meta: holds neither tasks\.jsonl nor tasks\.parquet"),
        (write_broken_tasks, r"tasks\.jsonl: not a JSON object a line"),
        (write_nameless_tasks, r"tasks\.jsonl: not every task has a task_index and a text: KeyError\('task_index'\)"),
        (write_odd_video_path, r"info\.json: video_path 'x/\{y\}\.mp4' cannot be filled in: KeyError\('y'\)"),
        (write_no_rate, r"info\.json: its pictures are in videos, but video_path or fps is not told"),
        (
            write_table_without_a_camera,
            r"file-000\.parquet: has no column videos/observation\.images\.image/file_index",
        ),
        (write_short_video, r"episode_000001\.mp4: 4 pictures from second 0 on, where 12 are needed"),
        (write_truncated_parquet, r"episode_000001\.parquet: cannot be read as Parquet"),
        (write_unnamed_task, r"episode 1 has task 1, which meta/tasks does not name"),
    ],
)
def test_broken_lerobot_sets_are_named(tmp_path: Path, write: Callable[[Path], None], message: str) -> None:
    write(tmp_path)
    with pytest.raises(TrainerError, match=message):
        list(lerobot_episodes(tmp_path))
