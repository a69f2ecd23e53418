"""`tf.train.Example` on the wire: where each feature of a record lies, without copying it, and how one is written.

The messages (protobuf, all repeated scalars packed by current writers):
Example {1: Features}, Features {1: map entries}, entry {1: name, 2: Feature},
Feature {1: BytesList | 2: FloatList | 3: Int64List}, each list {1: values}.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.tfrecord import MappedFile

LENGTH_DELIMITED = 2
FIELD_1_BYTES = 0x0A
FIELD_1_FIXED32 = 0x0D
FIELD_1_VARINT = 0x08
FIELD_2_BYTES = 0x12

FeatureValue = list[bytes] | NDArray[np.float32] | NDArray[np.int64]


class Kind(IntEnum):
    """The three lists of a Feature, by field number."""

    BYTES = 1
    FLOATS = 2
    INTEGERS = 3


class FeatureSpan(NamedTuple):
    """Where the list of one feature lies in its file."""

    kind: Kind
    start: int
    end: int


def feature_spans(file: MappedFile, start: int, end: int) -> dict[str, FeatureSpan]:
    """The features of the Example at `start`..`end`, by name. Raises TrainerError where the bytes are no Example."""
    spans: dict[str, FeatureSpan] = {}
    for features_start, features_end in bytes_spans(file, start, end):
        for entry_start, entry_end in bytes_spans(file, features_start, features_end):
            name, span = _entry(file, entry_start, entry_end)
            spans[name] = span
    return spans


def _entry(file: MappedFile, start: int, end: int) -> tuple[str, FeatureSpan]:
    name_start, name_end = _tagged(file, start, end, FIELD_1_BYTES)
    value_start, value_end = _tagged(file, name_end, end, FIELD_2_BYTES)
    try:
        name = bytes(file.data[name_start:name_end]).decode()
    except UnicodeDecodeError as error:
        raise file.wrong(start, "no tf.train.Example: a feature name is not UTF-8") from error
    if value_start == value_end:
        return name, FeatureSpan(Kind.BYTES, value_end, value_end)
    field, wire = divmod(file.data[value_start], 8)
    if wire != LENGTH_DELIMITED or field not in set(Kind):
        raise file.wrong(value_start, f"no tf.train.Example: feature {name!r} has no list of bytes, floats or integers")
    list_start, list_end = _tagged(file, value_start, value_end, file.data[value_start])
    return name, FeatureSpan(Kind(field), list_start, list_end)


def _tagged(file: MappedFile, at: int, end: int, tag: int) -> tuple[int, int]:
    """The content of the length-delimited field that must begin at `at` with `tag`."""
    if at >= end or file.data[at] != tag:
        raise file.wrong(at, "no tf.train.Example: an unexpected field")
    length, content = _varint(file, at + 1, end)
    if content + length > end:
        raise file.wrong(at, f"no tf.train.Example: a field of {length} bytes where {end - content} are left")
    return content, content + length


def _varint(file: MappedFile, at: int, end: int) -> tuple[int, int]:
    """A variable-length integer, and the offset after it."""
    data = file.data
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise file.wrong(at, "no tf.train.Example: a number runs past its field")


def bytes_spans(file: MappedFile, start: int, end: int) -> list[tuple[int, int]]:
    """Start and end of every value of the BytesList at `start`..`end`."""
    spans = []
    while start < end:
        value_start, start = _tagged(file, start, end, FIELD_1_BYTES)
        spans.append((value_start, start))
    return spans


def floats(file: MappedFile, start: int, end: int) -> NDArray[np.float32]:
    """The values of the FloatList at `start`..`end`, packed or not."""
    parts = []
    while start < end:
        if file.data[start] == FIELD_1_FIXED32:
            value_start, value_end = start + 1, min(start + 5, end)
        else:
            value_start, value_end = _tagged(file, start, end, FIELD_1_BYTES)
        if (value_end - value_start) % 4:
            raise file.wrong(start, "no tf.train.Example: a list of floats is cut inside a number")
        parts.append(np.frombuffer(file.data[value_start:value_end], dtype="<f4"))
        start = value_end
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def integers(file: MappedFile, start: int, end: int) -> NDArray[np.int64]:
    """The values of the Int64List at `start`..`end`, packed or not."""
    values = []
    while start < end:
        if file.data[start] == FIELD_1_VARINT:
            value, start = _varint(file, start + 1, end)
            values.append(value)
            continue
        at, start = _tagged(file, start, end, FIELD_1_BYTES)
        while at < start:
            value, at = _varint(file, at, start)
            values.append(value)
    return np.array(values, dtype=np.uint64).astype(np.int64)


def encode_example(features: Mapping[str, FeatureValue]) -> bytes:
    """One Example: bytes for lists of bytes, floats for float arrays, integers for integer and boolean arrays.

    The pieces are joined once, at the end: an episode's pictures are some megabytes.
    """
    entries: list[bytes] = []
    for name in sorted(features):
        value = _field(FIELD_2_BYTES, _feature(features[name]))
        entries += _field(FIELD_1_BYTES, [*_field(FIELD_1_BYTES, [name.encode()]), *value])
    return b"".join(_field(FIELD_1_BYTES, entries))


def _feature(value: FeatureValue) -> list[bytes]:
    if isinstance(value, list):
        items = [piece for item in value for piece in _field(FIELD_1_BYTES, [item])]
        return _field(Kind.BYTES << 3 | LENGTH_DELIMITED, items)
    if value.dtype.kind == "f":
        packed = value.astype("<f4").tobytes()
        return _field(Kind.FLOATS << 3 | LENGTH_DELIMITED, _field(FIELD_1_BYTES, [packed]))
    packed = b"".join(_encode_varint(int(item)) for item in value.astype(np.int64).reshape(-1))
    return _field(Kind.INTEGERS << 3 | LENGTH_DELIMITED, _field(FIELD_1_BYTES, [packed]))


def _field(tag: int, content: list[bytes]) -> list[bytes]:
    return [struct.pack("B", tag) + _encode_varint(sum(map(len, content))), *content]


def _encode_varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
