"""Tensors of safetensors files read in blocks of rows: never mapped, so that memory holds no more than a block."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from vlatrain.errors import TrainerError
from vlatrain.model.tensor_file import Entry, Header, read_header

BLOCK_BYTES = 32 * 1024 * 1024
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def whole_header(path: Path) -> Header:
    """The header of a file that is as long as it says. Raises TrainerError naming it."""
    try:
        header, size = read_header(path), path.stat().st_size
    except OSError as error:
        raise TrainerError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainerError(f"{path}: is no safetensors file") from error
    if size != header.file_bytes:
        raise TrainerError(f"{path} has {size} bytes instead of {header.file_bytes}: it is damaged")
    return header


def blocks(entry: Entry) -> Iterator[range]:
    """Groups of rows (of the first dimension) of at most BLOCK_BYTES, of at least one row."""
    rows = _rows(entry)
    step = max(1, BLOCK_BYTES // max(1, entry.size_bytes // max(1, rows)))
    return (range(start, min(start + step, rows)) for start in range(0, rows, step))


def read_bytes(file: BinaryIO, entry: Entry, rows: range) -> bytes:
    """Some rows as they stand in the file."""
    row_bytes = entry.size_bytes // max(1, _rows(entry))
    file.seek(entry.start + rows.start * row_bytes)
    return file.read(len(rows) * row_bytes)


def read_rows(file: BinaryIO, entry: Entry, rows: range) -> Tensor:
    """Some rows as a tensor of its own. Raises TrainerError for numbers that are no floats."""
    if entry.dtype not in DTYPES:
        raise TrainerError(f"{file.name}: holds numbers of dtype {entry.dtype}, not {', '.join(DTYPES)}")
    content = bytearray(read_bytes(file, entry, rows))
    return torch.frombuffer(content, dtype=DTYPES[entry.dtype]).view(len(rows), *entry.shape[1:])


def read_whole(file: BinaryIO, entry: Entry) -> Tensor:
    """All rows of a tensor of at least one dimension."""
    return read_rows(file, entry, range(_rows(entry)))


def _rows(entry: Entry) -> int:
    return entry.shape[0] if entry.shape else 1
