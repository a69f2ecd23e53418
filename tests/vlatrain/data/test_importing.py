"""LIBERO HDF5 and LeRobot data sets: read as they are laid out, imported once as RLDS."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.hdf5 import hdf5_episodes, moving
from vlatrain.data.importing import Format, format_of, imported
from vlatrain.data.jpeg import encoded as jpeg
from vlatrain.data.lerobot import lerobot_episodes
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.tfrecord import TFRecordWriter
from vlatrain.data.training_set import open_training_set
from vlatrain.errors import TrainerError

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


@pytest.mark.parametrize(
    ("problem_info", "instruction"),
    [
        ('{"language_instruction": "open the drawer"}', "open the drawer"),
        ('{"language_instruction": ["o", "p", "e", "n"]}', "open"),
        (None, "pick up the bowl"),
    ],
    ids=["text", "letters", "name of the file"],
)
def test_libero_files_are_turned_upright(tmp_path: Path, problem_info: str | None, instruction: str) -> None:
    write_hdf5(tmp_path / "pick_up_the_bowl_demo.hdf5", problem_info)
    episodes = list(hdf5_episodes(tmp_path))
    assert [episode.instruction for episode in episodes] == [instruction] * 3
    for number, episode in enumerate(episodes):
        np.testing.assert_array_equal(episode.images, pictures(number, LENGTHS[number]))
        np.testing.assert_array_equal(episode.actions, actions(number, LENGTHS[number]))


def test_demonstrations_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "task_demo.hdf5", "w") as file:
        for number in (10, 9, 2):
            file[f"data/demo_{number}/actions"] = actions(number, 2)
            file[f"data/demo_{number}/obs/agentview_rgb"] = pictures(0, 2)
    firsts = [episode.actions[0, 0] for episode in hdf5_episodes(tmp_path)]
    assert firsts == [actions(number, 2)[0, 0] for number in (2, 9, 10)]


def test_actions_that_do_nothing_are_left_out() -> None:
    still, move = [0.0] * 6, [0.5, *[0.0] * 5]
    rows = [[*still, -1], [*move, -1], [*still, -1], [*still, 1], [*still, 1], [*move, 1]]
    assert moving(np.array(rows, np.float32)).tolist() == [1, 3, 5]


def test_a_file_that_is_no_hdf5_is_named(tmp_path: Path) -> None:
    (tmp_path / "task_demo.hdf5").write_bytes(b"not hdf5")
    with pytest.raises(TrainerError, match=r"task_demo\.hdf5: cannot be read as LIBERO's HDF5"):
        list(hdf5_episodes(tmp_path))


OBS = "data/demo_0/obs"
CAMERA_IN_HDF5, WRIST_IN_HDF5 = f"{OBS}/agentview_rgb", f"{OBS}/eye_in_hand_rgb"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros(3)}, r"task_demo\.hdf5: cannot be read as LIBERO's HDF5"),
        ({"data/mask": np.zeros(3)}, "mask: cannot be read"),
        ({CAMERA_IN_HDF5: pictures(0, 2)}, r"demo_0: .*: actions \(3, 7\) for 2 images"),
        ({CAMERA_IN_HDF5: pictures(0, 3) / 255}, r"demo_0: .*images must be uint8"),
        ({CAMERA_IN_HDF5: None}, r"demo_0: .*object 'agentview_rgb' doesn't exist"),
        ({OBS: None}, r"demo_0: .*object 'obs' doesn't exist"),
        ({WRIST_IN_HDF5: pictures(0, 2)}, r"demo_0: .*eye_in_hand_rgb has 2 frames, actions 3"),
        ({"data/demo_0/actions": np.full((3, 7), np.nan)}, r"demo_0: .*actions holds numbers that are not finite"),
    ],
    ids=["no group", "no demonstration", "length", "type", "camera", "nothing seen", "wrist", "no number"],
)
def test_demonstrations_of_another_make_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with h5py.File(tmp_path / "task_demo.hdf5", "w") as file:
        file["data/demo_0/actions"] = actions(0, 3)
        file[CAMERA_IN_HDF5] = pictures(0, 3)
        for name, content in changes.items():
            if name in file:
                del file[name]
            if content is not None:
                file[name] = content
    with pytest.raises(TrainerError, match=message):
        list(hdf5_episodes(tmp_path))


@pytest.mark.parametrize("problem_info", ["no JSON", "[1]", "{}"])
def test_an_instruction_that_cannot_be_read_is_named(tmp_path: Path, problem_info: str) -> None:
    write_hdf5(tmp_path / "task_demo.hdf5", problem_info)
    with pytest.raises(TrainerError, match=r"task_demo\.hdf5: cannot be read as LIBERO's HDF5"):
        list(hdf5_episodes(tmp_path))


def test_a_demonstration_in_which_nothing_is_done_is_left_out(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "task_demo.hdf5")
    with h5py.File(tmp_path / "task_demo.hdf5", "a") as file:
        file["data/demo_1/actions"][:] = [0, 0, 0, 0, 0, 0, -1]
    assert [len(episode) for episode in hdf5_episodes(tmp_path)] == [LENGTHS[0], LENGTHS[2]]


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


def test_the_format_is_told_by_the_files(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    write_v2(tmp_path / "a", False)
    write_hdf5(tmp_path / "b" / "task_demo.hdf5")
    folders = [tmp_path / "a", tmp_path / "b", make_set(2, 2), tmp_path / "absent"]
    assert [format_of(folder) for folder in folders] == [Format.LEROBOT, Format.HDF5, Format.RLDS, Format.RLDS]


def test_a_set_is_imported_once_and_again_when_it_changes(tmp_path: Path) -> None:
    told: list[int] = []
    source, cache = tmp_path / "libero_object", tmp_path / "cache"
    write_hdf5(source / "task_demo.hdf5")
    folder = imported(source, cache, told.append)
    assert told == [1, 2, 3]
    assert imported(source, cache, lambda _: pytest.fail("imported again")) == folder
    frames = RLDSDataset(folder)
    assert (frames.name, len(frames)) == ("libero_object", sum(LENGTHS))
    assert {int(frames[place].image[0, 0, 0]) // 60 for place in range(len(frames))} == {0, 1, 2}
    os.utime(source / "task_demo.hdf5", ns=(0, 0))
    assert imported(source, cache, told.append) != folder
    assert told == [1, 2, 3, 1, 2, 3]


def test_an_import_that_finds_no_place_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "libero_object" / "task_demo.hdf5")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(TrainerError, match=r"import as RLDS, and .*/cache/imported/\w+ cannot be written: Not a direc"):
        imported(tmp_path / "libero_object", tmp_path / "cache")


def test_a_disk_that_fills_up_in_an_import_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hdf5(tmp_path / "libero_object" / "task_demo.hdf5")
    monkeypatch.setattr(TFRecordWriter, "write", fill_the_disk)
    with pytest.raises(TrainerError, match=r"cannot be written: No space left on device; make room there"):
        imported(tmp_path / "libero_object", tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".libero_object.lock"]


def fill_the_disk(_: TFRecordWriter, payload: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_training_takes_a_folder_of_another_format_as_it_is(tmp_path: Path) -> None:
    write_v3(tmp_path / "data" / "libero_goal", True)
    config = FinetuneConfig(data_root_dir=tmp_path / "data", cache_dir=tmp_path / "cache", dataset_name="libero_goal")
    training_set = open_training_set(config)
    assert training_set.name == "libero_goal"
    assert sorted(training_set.instructions) == sorted(TASKS)
    assert len(training_set) == sum(LENGTHS)
