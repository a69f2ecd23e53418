"""RLDS data sets as TFDS lays them out: read frame by frame, refused where they are broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tfrecord import TFRecordWriter as OracleWriter
from vlatrain.data.actions import normalise
from vlatrain.data.jpeg import encoded as jpeg
from vlatrain.data.resize import jpeg_pass
from vlatrain.data.rlds import RLDSDataset, training_split
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

MakeSet = Callable[..., Path]
MakeEpisode = Callable[[int, int], Episode]


def shards_of(folder: Path) -> list[Path]:
    return sorted((folder / "1.0.0").glob("*.tfrecord-*"))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def forget_index(folder: Path) -> None:
    for cached in (folder / "1.0.0").glob(".frames-*"):
        cached.unlink()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_frame_comes_back_as_it_was_written(make_set: MakeSet, make_episode: MakeEpisode) -> None:
    dataset = RLDSDataset(make_set(3, 5, 4))
    statistics = dataset.statistics["libero_made"]["action"]
    by_shards = [(0, 3), (2, 4), (1, 5)]  # two shards: episodes 0 and 2, then 1
    expected = [(place, number, step) for place, (number, length) in enumerate(by_shards) for step in range(length)]
    assert len(dataset) == len(expected)
    for index, (place, number, step) in enumerate(expected):
        frame, episode = dataset[index], make_episode(number, dict(by_shards)[number])
        assert (frame.episode, frame.step, frame.instruction) == (place, step, episode.instruction)
        gripper = 1 - np.clip(episode.actions[step, 6], 0, 1)
        stored = np.append(episode.actions[step, :6], gripper)
        np.testing.assert_allclose(frame.action, normalise(stored, statistics), atol=1e-6)
        np.testing.assert_array_equal(frame.image, jpeg_pass(episode.images[step]))


def test_the_layout_of_the_published_libero_sets_is_read(tmp_path: Path) -> None:
    """Their folder is named otherwise than their files, and their steps hold more than is needed."""
    folder = tmp_path / "libero_spatial_no_noops" / "1.0.0"
    folder.mkdir(parents=True)
    for shard, length in enumerate((2, 3)):
        image = jpeg(np.full((8, 8, 3), 40 * shard, np.uint8))
        writer = OracleWriter(str(folder / f"libero_spatial-train.tfrecord-{shard:05d}-of-00002"))
        writer.write(
            {
                "steps/observation/image": ([image] * length, "byte"),
                "steps/observation/wrist_image": ([image] * length, "byte"),
                "steps/observation/state": ([0.1] * 8 * length, "float"),
                "steps/observation/joint_state": ([0.2] * 7 * length, "float"),
                "steps/action": ([0.5] * 6 * length + [-1.0] * length, "float"),
                "steps/language_instruction": ([b"pick up the black bowl"] * length, "byte"),
                "steps/is_first": ([1] + [0] * (length - 1), "int"),
                "steps/is_last": ([0] * (length - 1) + [1], "int"),
                "steps/is_terminal": ([0] * (length - 1) + [1], "int"),
                "steps/reward": ([0.0] * length, "float"),
                "steps/discount": ([1.0] * length, "float"),
                "episode_metadata/file_path": (b"/somewhere/demo.hdf5", "byte"),
            }
        )
        writer.close()
    split = {"name": "train", "shardLengths": ["1", "1"], "filepathTemplate": "…"}
    (folder / "dataset_info.json").write_text(json.dumps({"name": "libero_spatial", "splits": [split]}))
    dataset = RLDSDataset(folder.parent, verify=True)
    assert dataset.name == "libero_spatial_no_noops"
    assert [(frame.episode, frame.step, int(frame.image[0, 0, 0])) for frame in map(dataset.__getitem__, range(5))] == [
        (0, 0, 0),
        (0, 1, 0),
        (1, 0, 40),
        (1, 1, 40),
        (1, 2, 40),
    ]
    assert dataset.instructions == ("pick up the black bowl",)


def test_the_second_opening_maps_the_index_instead_of_walking(make_set: MakeSet) -> None:
    walked: list[int] = []

    def note(done_bytes: int, total_bytes: int) -> None:
        walked.append(done_bytes * 100 // total_bytes)

    folder = make_set(4, 4)
    first = RLDSDataset(folder, progress=note)
    assert walked[-1] == 100
    again = RLDSDataset(folder, progress=lambda *_: pytest.fail("walked again"))
    np.testing.assert_array_equal(first.stored_actions, again.stored_actions)
    assert again.instructions == first.instructions


@pytest.mark.parametrize("change", ["size", "time", "image key"])
def test_the_index_is_rebuilt_when_the_data_change(
    make_set: MakeSet, make_episode: MakeEpisode, tmp_path: Path, change: str
) -> None:
    folder = make_set(4, 4, name="libero_a")
    RLDSDataset(folder)
    shard = shards_of(folder)[0]
    match change:
        case "size":
            longer = shards_of(make_set(9, 4, name="libero_b"))[0]
            shutil.copyfile(longer, shard)
            assert len(RLDSDataset(folder)) == 13
        case "time":
            before = shard.stat()
            other = shards_of(make_set(4, 4, name="libero_b"))[0].read_bytes()
            shard.write_bytes(other)
            assert shard.stat().st_size == before.st_size
            walked: list[int] = []
            RLDSDataset(folder, progress=lambda done, _: walked.append(done))
            assert walked
        case "image key":
            with pytest.raises(TrainerError, match="no RLDS episode with steps/observation/wrist_image"):
                RLDSDataset(folder, image_key="wrist_image")


def test_a_broken_index_is_built_anew_at_every_length(make_set: MakeSet) -> None:
    folder = make_set(3, 3)
    RLDSDataset(folder)
    (cached,) = (folder / "1.0.0").glob(".frames-image.index")
    whole = cached.read_bytes()
    for size in [*range(0, len(whole), 37), len(whole) - 1]:
        cached.write_bytes(whole[:size])
        assert len(RLDSDataset(folder)) == 6
    for content in (b"\0" * len(whole), whole[:16] + b"\0" * (len(whole) - 16)):
        cached.write_bytes(content)
        assert len(RLDSDataset(folder)) == 6


def test_the_index_goes_to_the_cache_folder_where_the_data_cannot_be_written(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set(3, 3)
    (folder / "1.0.0" / ".frames-image.index").mkdir()  # in the way, even of root
    assert len(RLDSDataset(folder, cache_dir=tmp_path / "chosen")) == 6
    assert len(list((tmp_path / "chosen" / "index").iterdir())) == 1
    RLDSDataset(folder, cache_dir=tmp_path / "chosen", progress=lambda *_: pytest.fail("walked again"))


@pytest.mark.parametrize(
    ("split", "episodes"),
    [("train", range(10)), ("train[:95%]", range(10)), ("train[:80%]", range(8)), ("train[80%:]", range(8, 10))],
)
def test_splits_are_cut_by_episode_as_tfds_does(make_set: MakeSet, split: str, episodes: range) -> None:
    dataset = RLDSDataset(make_set(*[2] * 10, shards=3), split=split)
    assert [dataset[place].episode for place in range(len(dataset))] == [one for one in episodes for _ in range(2)]
    assert dataset.statistics["libero_made"]["num_transitions"] == 20


def test_training_takes_95_percent_unless_the_set_has_a_split_to_validate_on(make_set: MakeSet) -> None:
    folder = make_set(2, 2, shards=1)
    assert training_split(folder) == "train[:95%]"
    (shard,) = shards_of(folder)
    shutil.copyfile(shard, shard.with_name("libero_made-val.tfrecord-00000-of-00001"))
    assert training_split(folder) == "train"
    assert len(RLDSDataset(folder)) == 4
    assert [RLDSDataset(folder, split="val")[place].episode for place in range(4)] == [2, 2, 3, 3]
    with pytest.raises(TrainerError, match=r"'test' is none of train, val"):
        RLDSDataset(folder, split="test")


def test_the_newest_version_is_taken(make_set: MakeSet) -> None:
    folder = make_set(2, 2)
    shutil.copytree(make_set(5, 5, name="libero_newer") / "1.0.0", folder / "1.10.0")
    assert len(RLDSDataset(folder)) == 10
    assert len(RLDSDataset(folder / "1.0.0")) == 4
    assert RLDSDataset(folder / "1.0.0").name == "libero_made"


def break_truncated(folder: Path) -> None:
    path = shards_of(folder)[1]
    path.write_bytes(path.read_bytes()[:-10])


def break_foreign(folder: Path) -> None:
    shards_of(folder)[0].write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)


def break_missing(folder: Path) -> None:
    shards_of(folder)[1].unlink()


def break_empty(folder: Path) -> None:
    shards_of(folder)[0].write_bytes(b"")


def break_info(folder: Path) -> None:
    (folder / "1.0.0" / "dataset_info.json").write_text("{")


def break_splits(folder: Path) -> None:
    (folder / "1.0.0" / "dataset_info.json").write_text('{"splits": {"train": 2}}')


def break_image(folder: Path) -> None:
    path = shards_of(folder)[0]
    flip(path, path.read_bytes().index(b"\xff\xd8\xff"))


def break_mixed(folder: Path) -> None:
    (folder / "1.0.0" / "other-train.tfrecord-00000-of-00001").write_bytes(b"")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (break_truncated, r"00001-of-00002: at byte 0: truncated: a record of \d+ bytes begins, \d+ bytes are left"),
        (break_foreign, r"00000-of-00002: at byte 0: no TFRecord header"),
        (break_missing, r"1 of 2 train shards are missing, the first is libero_made-train\.tfrecord-00001-of-00002"),
        (break_empty, r"00000-of-00002: at byte 0: ends after 0 episodes; dataset_info\.json promises 1"),
        (break_info, r"dataset_info\.json: no description of a TFDS data set: JSONDecodeError"),
        (break_splits, r"dataset_info\.json: no description of a TFDS data set: TypeError"),
        (break_image, r"00000-of-00002: at byte \d+: an image is neither JPEG nor PNG"),
        (break_mixed, r"holds the train shards of more than one data set"),
    ],
)
def test_broken_sets_are_refused_by_file_and_offset_when_opened(
    make_set: MakeSet, break_it: Callable[[Path], None], message: str
) -> None:
    folder = make_set(3, 3)
    RLDSDataset(folder)  # a cached index hides nothing
    break_it(folder)
    with pytest.raises(TrainerError, match=message):
        RLDSDataset(folder)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"steps/action": ([0.0] * 7, "float")}, "no RLDS episode with steps/observation/image"),
        ({"image/encoded": (b"x", "byte")}, r"\(byte features here: image/encoded\)"),
        (
            {
                "steps/observation/image": ([jpeg(np.zeros((8, 8, 3), np.uint8))], "byte"),
                "steps/language_instruction": (b"go", "byte"),
                "steps/action": ([0.0] * 14, "float"),
            },
            "14 action numbers for 1 frames; 7 a frame are needed",
        ),
        (
            {
                "steps/observation/image": ([jpeg(np.zeros((8, 8, 3), np.uint8))], "byte"),
                "steps/language_instruction": (b"go", "byte"),
                "steps/action": ([float("nan")] * 7, "float"),
            },
            "steps/action holds numbers that are not finite",
        ),
    ],
)
def test_records_that_are_no_episodes_are_refused(
    tmp_path: Path, features: dict[str, tuple[object, str]], message: str
) -> None:
    folder = tmp_path / "libero_foreign"
    folder.mkdir()
    writer = OracleWriter(str(folder / "x-train.tfrecord-00000-of-00001"))
    writer.write(features)
    writer.close()
    with pytest.raises(TrainerError, match=message):
        RLDSDataset(folder)


def test_checksums_of_the_content_are_checked_on_request(make_set: MakeSet) -> None:
    folder = make_set(3, 3)
    path = shards_of(folder)[0]
    flip(path, path.read_bytes().index(b"\xff\xd8\xff") + 200)  # inside a picture: no header is touched
    forget_index(folder)
    assert len(RLDSDataset(folder)) == 6
    with pytest.raises(TrainerError, match=r"00000-of-00002: at byte 0: corrupt record: the checksum"):
        RLDSDataset(folder, verify=True)


def test_a_picture_that_cannot_be_decoded_is_named(make_set: MakeSet) -> None:
    folder = make_set(3, 3)
    path = shards_of(folder)[0]
    content = bytearray(path.read_bytes())
    start = content.index(b"\xff\xd8\xff")
    content[start + 4 : start + 300] = bytes(296)
    path.write_bytes(content)
    dataset = RLDSDataset(folder)
    with pytest.raises(TrainerError, match=rf"00000-of-00002: at byte {start}: corrupt image"):
        dataset[0]


def test_a_set_that_is_not_there_is_answered_with_what_is(make_set: MakeSet) -> None:
    folder = make_set(2, 2)
    with pytest.raises(TrainerError, match=r"no data set at .*libero_spatal \(found there: libero_made\)"):
        RLDSDataset(folder.with_name("libero_spatal"))
    folder.with_name("libero_empty").mkdir()
    with pytest.raises(TrainerError, match="holds neither"):
        RLDSDataset(folder.with_name("libero_empty"))


def test_a_set_of_unknown_convention_is_refused(make_set: MakeSet) -> None:
    with pytest.raises(TrainerError, match=r"no action convention is known for 'my_robot' \(known: libero_\*"):
        RLDSDataset(make_set(2, 2, name="my_robot"))
