"""Demonstrations appear as a whole data set or not at all."""

import json
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE_S
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.rlds_writer import ENCODERS, EncodedEpisode, write_rlds
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode

MakeEpisode = Callable[[int, int], Episode]


def visible(folder: Path) -> list[str]:
    return sorted(child.name for child in folder.iterdir() if not child.name.endswith(".lock"))


def test_dataset_info_and_features_say_what_is_there(make_set: Callable[..., Path]) -> None:
    folder = make_set(3, 4, 5, shards=2) / "1.0.0"
    info = json.loads((folder / "dataset_info.json").read_text())
    (split,) = info["splits"]
    assert (info["name"], info["version"], info["fileFormat"]) == ("libero_made", "1.0.0", "tfrecord")
    assert split["shardLengths"] == ["2", "1"]
    assert int(split["numBytes"]) == sum(path.stat().st_size for path in folder.glob("*.tfrecord-*"))
    features = json.loads((folder / "features.json").read_text())["featuresDict"]["features"]
    step = features["steps"]["sequence"]["feature"]["featuresDict"]["features"]
    assert step["observation"]["featuresDict"]["features"]["image"]["image"]["shape"]["dimensions"] == ["24", "32", "3"]
    assert step["action"]["tensor"] == {"shape": {"dimensions": ["7"]}, "dtype": "float32", "encoding": "none"}


def test_an_existing_set_is_never_written_over(make_set: Callable[..., Path]) -> None:
    folder = make_set(3, 4)
    before = {path: path.read_bytes() for path in (folder / "1.0.0").iterdir()}
    with pytest.raises(TrainerError, match="exists already"):
        make_set(5, 5)
    assert {path: path.read_bytes() for path in (folder / "1.0.0").iterdir()} == before


def test_nothing_is_left_when_the_episodes_end_in_an_error(tmp_path: Path, make_episode: MakeEpisode) -> None:
    def failing() -> Iterator[Episode]:
        yield make_episode(0, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rlds(tmp_path, "libero_x", failing())
    with pytest.raises(TrainerError, match="libero_x: no episodes to write"):
        write_rlds(tmp_path, "libero_x", [])
    assert visible(tmp_path) == []


class Pictures(list[bytes]):
    """A list that can be watched."""


def encoded(number: int, frames: int = 3) -> EncodedEpisode:
    actions = np.full((frames, 7), number, np.float32)
    pictures = Pictures(b"%d of %d" % (frame, number) for frame in range(frames))
    return EncodedEpisode(task="t", instruction="go", image_shape=(8, 8, 3), images=pictures, actions=actions)


def test_shards_hold_the_bytes_that_writing_one_episode_after_the_other_gives(tmp_path: Path) -> None:
    shards, count = 5, 43
    folder = write_rlds(tmp_path, "libero_x", map(encoded, range(count)), shards) / "1.0.0"
    for shard in range(shards):
        own = write_rlds(tmp_path, f"libero_{shard}", map(encoded, range(shard, count, shards))) / "1.0.0"
        (alone,) = own.glob("*.tfrecord-*")
        assert (folder / f"libero_x-train.tfrecord-{shard:05d}-of-{shards:05d}").read_bytes() == alone.read_bytes()


def test_a_few_episodes_are_held_at_a_time_however_many_shards_there_are(tmp_path: Path) -> None:
    held: set[int] = set()
    counts: list[int] = []

    def watched() -> Iterator[EncodedEpisode]:
        for number in range(120):
            episode = encoded(number)
            held.add(number)
            weakref.finalize(episode.images, held.discard, number)
            counts.append(len(held))
            yield episode

    write_rlds(tmp_path, "libero_x", watched(), shards=60)
    assert len(counts) == 120
    assert max(counts) <= 2 * ENCODERS + 2, "those under way, and what their threads have yet to let go of"


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.sim.episode import Episode

def episodes():
    for _ in range(3):
        yield Episode(task="t", instruction="go", images=np.zeros((2, 8, 8, 3), np.uint8),
                      actions=np.zeros((2, 7), np.float32))
    os.kill(os.getpid(), signal.SIGKILL)

write_rlds(Path(sys.argv[1]), "libero_x", episodes())
"""


def test_what_a_killed_writer_left_does_not_hinder_the_next(tmp_path: Path, make_episode: MakeEpisode) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path)], check=False, timeout=PATIENCE_S)
    assert killed.returncode == -signal.SIGKILL
    assert visible(tmp_path) == [".libero_x.new"]
    folder = write_rlds(tmp_path, "libero_x", [make_episode(0, 4)])
    assert visible(tmp_path) == ["libero_x"]
    assert len(RLDSDataset(folder)) == 4


def test_pictures_keep_what_jpeg_keeps(tmp_path: Path) -> None:
    smooth = np.indices((32, 32)).sum(0, dtype=np.uint8)[None, :, :, None].repeat(3, axis=3) * np.uint8(3)
    episode = Episode(task="t", instruction="go", images=smooth, actions=np.zeros((1, 7), np.float32))
    dataset = RLDSDataset(write_rlds(tmp_path, "libero_x", [episode]))
    assert np.abs(dataset[0].image.astype(int) - smooth[0]).max() <= 3


def test_wrist_pictures_and_states_are_written_and_read_where_they_are_inputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = np.full((2, 4, 8, 8, 3), 200, np.uint8)
    pictures[1] = 40
    states = rng.normal(size=(4, 8)).astype(np.float32)
    actions = rng.uniform(-1, 1, (4, 7)).astype(np.float32)
    episode = Episode(
        task="t", instruction="go", images=pictures[0], actions=actions, wrist_images=pictures[1], states=states
    )
    folder = write_rlds(tmp_path, "libero_made", [episode])
    plain, full = RLDSDataset(folder), RLDSDataset(folder, wrist=True, states=True)
    assert (plain[1].wrist, plain[1].state) == (None, None)
    assert plain.statistics["libero_made"]["proprio"]["q99"] == [0.0] * 7  # as published
    frame = full[1]
    assert frame.wrist is not None
    assert (int(frame.image.mean()), int(frame.wrist.mean())) == (200, 40)
    proprio = full.statistics["libero_made"]["proprio"]
    np.testing.assert_allclose(proprio["mean"], states.mean(0), rtol=1e-5)
    assert frame.state is not None
    expected = 2 * (states[1] - np.array(proprio["q01"])) / (np.array(proprio["q99"]) - proprio["q01"]) - 1
    np.testing.assert_allclose(frame.state, expected.clip(-1, 1), atol=1e-5)


def test_a_set_without_states_is_refused_where_they_are_inputs(make_set: Callable[..., Path]) -> None:
    with pytest.raises(TrainerError, match="set use_proprio false"):
        RLDSDataset(make_set(3), states=True)
    with pytest.raises(TrainerError, match="wrist_image"):
        RLDSDataset(make_set(3, name="libero_other"), wrist=True)
