"""RLDS data sets as TFDS lays them out: read frame by frame, split by episodes, found by name and version."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shard_files import shards_of
from tfrecord import TFRecordWriter as OracleWriter
from vlatrain.data.actions import normalise
from vlatrain.data.jpeg import encoded as jpeg
from vlatrain.data.jpeg import jpeg_pass
from vlatrain.data.rlds import RLDSDataset, training_split
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

MakeSet = Callable[..., Path]
MakeEpisode = Callable[[int, int], Episode]


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
