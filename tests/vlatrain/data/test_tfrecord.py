"""TFRecord framing and tf.train.Example, against an independent implementation both ways."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfrecord import TFRecordWriter as OracleWriter
from tfrecord import example_pb2
from tfrecord.reader import tfrecord_iterator
from vlatrain.data.example import Kind, bytes_spans, encode_example, feature_spans, floats, integers
from vlatrain.data.tfrecord import MappedFile, TFRecordWriter, masked_crc, record_spans
from vlatrain.errors import TrainerError


def write(path: Path, *payloads: bytes) -> Path:
    with TFRecordWriter(path) as writer:
        for payload in payloads:
            writer.write(payload)
    return path


def read(path: Path) -> list[bytes]:
    file = MappedFile(path)
    return [bytes(file.data[start:end]) for start, end in record_spans(file, verify=True)]


def parsed(path: Path, payload: bytes) -> dict[str, list[bytes] | list[float] | list[int]]:
    path.write_bytes(payload)
    file = MappedFile(path)
    values: dict[str, list[bytes] | list[float] | list[int]] = {}
    for name, (kind, start, end) in feature_spans(file, 0, file.size_bytes).items():
        match kind:
            case Kind.BYTES:
                values[name] = [bytes(file.data[slice(*span)]) for span in bytes_spans(file, start, end)]
            case Kind.FLOATS:
                values[name] = floats(file, start, end).tolist()
            case Kind.INTEGERS:
                values[name] = integers(file, start, end).tolist()
    return values


def test_the_masked_checksum_is_that_of_the_format() -> None:
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_what_we_write_another_reader_reads(tmp_path: Path) -> None:
    payloads = [b"", b"one", bytes(range(256)) * 50]
    path = write(tmp_path / "ours", *payloads)
    assert [bytes(record) for record in tfrecord_iterator(str(path))] == payloads


def test_what_another_writer_wrote_we_read(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    writer = OracleWriter(str(path))
    writer.write({"image": (b"picture", "byte"), "action": ([0.5, -1.0], "float"), "number": ([3, -7], "int")})
    writer.close()
    (payload,) = read(path)
    assert parsed(tmp_path / "payload", payload) == {"image": [b"picture"], "action": [0.5, -1.0], "number": [3, -7]}


float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
int64s = st.integers(-(2**63), 2**63 - 1)


@given(
    texts=st.lists(st.binary(max_size=300), max_size=5),
    numbers=st.lists(float32s, max_size=40),
    integer_numbers=st.lists(int64s, max_size=20),
)
def test_examples_agree_with_protobuf_both_ways(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], numbers: list[float], integer_numbers: list[int]
) -> None:
    ours = encode_example(
        {
            "steps/a": texts,
            "steps/b": np.array(numbers, np.float32),
            "c": np.array(integer_numbers, np.int64),
        }
    )
    example = example_pb2.Example()
    example.ParseFromString(ours)
    features = example.features.feature
    assert list(features["steps/a"].bytes_list.value) == texts
    assert list(features["steps/b"].float_list.value) == numbers
    assert list(features["c"].int64_list.value) == integer_numbers
    path = tmp_path_factory.mktemp("example") / "payload"
    theirs = parsed(path, example.SerializeToString())
    assert theirs == {"steps/a": texts, "steps/b": numbers, "c": integer_numbers}


def test_lists_that_are_not_packed_are_read_too(tmp_path: Path) -> None:
    unpacked_floats = b"".join(b"\x0d" + np.float32(number).tobytes() for number in (1.5, -2.0))
    unpacked_integers = b"\x08\x05\x08\x96\x01"
    path = tmp_path / "lists"
    path.write_bytes(unpacked_floats + unpacked_integers)
    file = MappedFile(path)
    assert floats(file, 0, len(unpacked_floats)).tolist() == [1.5, -2.0]
    assert integers(file, len(unpacked_floats), file.size_bytes).tolist() == [5, 150]


def test_a_file_cut_anywhere_is_named_with_the_offset_of_the_broken_record(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", b"first", b"second").read_bytes()
    border = 8 + 4 + len(b"first") + 4
    for size in range(1, len(whole)):
        path = tmp_path / "cut.tfrecord"
        path.write_bytes(whole[:size])
        if size == border:
            assert read(path) == [b"first"]
            continue
        with pytest.raises(TrainerError, match=rf"cut\.tfrecord: at byte {0 if size < border else border}: truncated"):
            read(path)


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", b"payload").read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        path = tmp_path / "flipped.tfrecord"
        path.write_bytes(flipped)
        with pytest.raises(TrainerError, match=r"flipped\.tfrecord: at byte 0: (no TFRecord header|corrupt record)"):
            read(path)


@pytest.mark.parametrize("cut", range(1, 40))
def test_an_example_cut_short_is_refused_not_misread(tmp_path: Path, cut: int) -> None:
    whole = encode_example({"steps/action": np.arange(3, dtype=np.float32), "text": [b"pick it up"]})
    path = tmp_path / "payload"
    path.write_bytes(whole[:-cut])
    with pytest.raises(TrainerError, match=r"payload: at byte \d+: no tf\.train\.Example"):
        feature_spans(MappedFile(path), 0, len(whole) - cut)


@given(garbage=st.binary(min_size=1, max_size=200))
def test_garbage_never_raises_anything_but_the_trainers_error(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    with contextlib.suppress(TrainerError):
        parsed(tmp_path_factory.mktemp("garbage") / "payload", garbage)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"absent: cannot be read: No such file"):
        MappedFile(tmp_path / "absent")
