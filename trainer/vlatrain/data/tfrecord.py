"""TFRecord files without TensorFlow: framing, checksums, and a memory map that names file and offset when it is wrong.

A record is: length (uint64), masked crc32c of those eight bytes, payload, masked crc32c of the payload; little endian.
Source of the format: https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import google_crc32c

from vlatrain.errors import TrainerError

HEADER = struct.Struct("<QI")
CHECKSUM = struct.Struct("<I")
CRC_MASK = 0xA282EAD8
UINT32 = 0xFFFFFFFF


def masked_crc(content: bytes) -> int:
    """The crc32c of `content`, rotated and offset as TFRecord stores it."""
    crc: int = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + CRC_MASK) & UINT32


class TFRecordWriter:
    """Writes one TFRecord file; a context manager that syncs the file before it closes it."""

    def __init__(self, path: Path) -> None:
        self.records = 0
        self.size_bytes = 0
        self._file = path.open("xb")

    def write(self, payload: bytes) -> None:
        """Appends one record."""
        length = struct.pack("<Q", len(payload))
        for piece in (length + CHECKSUM.pack(masked_crc(length)), payload, CHECKSUM.pack(masked_crc(payload))):
            self.size_bytes += self._file.write(piece)
        self.records += 1

    def close(self) -> None:
        """Puts everything on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> "TFRecordWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MappedFile:
    """A file read through a memory map: slices cost only the pages that they touch.

    Raises TrainerError where the file is missing or unreadable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self.size_bytes = os.fstat(file.fileno()).st_size
                self.data: mmap.mmap | bytes = (
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size_bytes else b""
                )
        except OSError as error:
            raise TrainerError(f"{path}: cannot be read: {error.strerror}") from error

    def wrong(self, offset: int, message: str) -> TrainerError:
        """An error that names this file and the byte where it is wrong."""
        return TrainerError(f"{self.path}: at byte {offset}: {message}")


def record_spans(file: MappedFile, *, verify: bool) -> Iterator[tuple[int, int]]:
    """Start and end of every payload in `file`; `verify` also reads every payload for its checksum.

    Raises TrainerError where a record is cut short or a checksum is wrong.
    """
    at = 0
    while at < file.size_bytes:
        start, end = _payload(file, at)
        if verify and masked_crc(file.data[start:end]) != CHECKSUM.unpack_from(file.data, end)[0]:
            raise file.wrong(at, f"corrupt record: the checksum of its {end - start} bytes is wrong")
        yield start, end
        at = end + CHECKSUM.size


def _payload(file: MappedFile, at: int) -> tuple[int, int]:
    start = at + HEADER.size
    if start > file.size_bytes:
        raise file.wrong(at, f"truncated: {file.size_bytes - at} bytes left where a record header needs {HEADER.size}")
    length, crc = HEADER.unpack_from(file.data, at)
    if masked_crc(file.data[at : at + 8]) != crc:
        raise file.wrong(at, "no TFRecord header (the checksum of the length is wrong): corrupt, or another format")
    if start + length + CHECKSUM.size > file.size_bytes:
        raise file.wrong(at, f"truncated: a record of {length} bytes begins, {file.size_bytes - start} bytes are left")
    return start, start + length
