"""RLDS data sets that are broken or hold something else: refused by file and offset."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shard_files import shards_of
from tfrecord import TFRecordWriter as OracleWriter
from vlatrain.data.jpeg import encoded as jpeg
from vlatrain.data.rlds import RLDSDataset
from vlatrain.errors import TrainerError

MakeSet = Callable[..., Path]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def forget_index(folder: Path) -> None:
    for cached in (folder / "1.0.0").glob(".frames-*"):
        cached.unlink()


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
