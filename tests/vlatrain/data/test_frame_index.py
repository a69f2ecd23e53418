"""The index of a data set: made once, opened from then on, and made anew where it no longer tells the truth."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shard_files import shards_of
from vlatrain.data.rlds import RLDSDataset
from vlatrain.errors import TrainerError

MakeSet = Callable[..., Path]


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
def test_the_index_is_rebuilt_when_the_data_change(make_set: MakeSet, tmp_path: Path, change: str) -> None:
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
