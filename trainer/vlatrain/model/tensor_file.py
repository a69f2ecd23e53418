"""Safetensors files without torch and without a memory map: what they hold and where, by their header alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_HEADER_BYTES = 100_000_000  # the format's own limit


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor: its format's name such as BF16, its shape, its first byte in the file and the one behind its last."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file in the order of their bytes; `raw` is everything that stands before the first of them."""

    raw: bytes
    entries: dict[str, Entry]

    @property
    def file_bytes(self) -> int:
        """How long the whole file must be."""
        return max((entry.end for entry in self.entries.values()), default=len(self.raw))


def read_header(path: Path) -> Header:
    """Eight bytes with the length of the JSON, the JSON, then the tensors.

    Raises OSError, and ValueError, LookupError, TypeError or AttributeError for what is no such file.
    """
    with path.open("rb") as file:
        length = file.read(8)
        size = int.from_bytes(length, "little")
        if len(length) < 8 or size > MOST_HEADER_BYTES:
            raise ValueError(f"header of {size} bytes")
        raw = length + file.read(size)
    described = {name: one for name, one in json.loads(raw[8:]).items() if name != "__metadata__"}
    entries = {name: _entry(one, len(raw)) for name, one in described.items()}
    return Header(raw, dict(sorted(entries.items(), key=lambda item: item[1].start)))


def _entry(described: Any, data_start: int) -> Entry:
    start, end = described["data_offsets"]
    shape = tuple(int(size) for size in described["shape"])
    return Entry(str(described["dtype"]), shape, data_start + int(start), data_start + int(end))
