"""An adapter merged into its base, tensor after tensor: a new model folder in the published form, in little memory."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor
from vlad.records.files import sync_folder

from vlatrain.adapters import FILE_KEY, WEIGHTS_FILE, read_plain_config
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import weight_files
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.json_files import read_json, write_json
from vlatrain.model.tensor_blocks import blocks, read_bytes, read_rows, read_whole, whole_header
from vlatrain.model.tensor_file import Entry, Header

STATISTICS_FILE = "dataset_statistics.json"
ORIGIN_FILE = "merged_from.json"
COPIED = ("*.json", "*.py", "*.txt", "*.model", "*.md")
PREFIX = "base_model.model."
HEADROOM_BYTES = 64 * 1024 * 1024

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Adapter:
    """The low-rank factors of an adapter folder, read from its file when they are needed."""

    folder: Path
    scale: float
    base_name: str
    header: Header

    @classmethod
    def open(cls, folder: Path) -> "Adapter":
        """Raises TrainerError for a folder that holds no whole plain LoRA adapter."""
        raw = read_plain_config(folder)
        base_name = str(raw.get("base_model_name_or_path") or "")
        return cls(folder, raw["lora_alpha"] / raw["r"], base_name, whole_header(folder / WEIGHTS_FILE))

    @property
    def path(self) -> Path:
        return self.folder / WEIGHTS_FILE

    @cached_property
    def adapted(self) -> set[str]:
        """Names of the base weights that it changes."""
        keys = (FILE_KEY.fullmatch(name) for name in self.header.entries)
        return {f"{key['module']}.weight" for key in keys if key}

    @cached_property
    def copies(self) -> dict[str, str]:
        """Base weights that it holds unchanged (PEFT 0.11 wrote the head's), by base name: their names here."""
        others = (name for name in self.header.entries if not FILE_KEY.fullmatch(name))
        return {name.removeprefix(PREFIX).replace(".base_layer.", "."): name for name in others}

    def factors(self, weight: str) -> tuple[Tensor, Tensor]:
        """A [rank, inputs] and B [outputs, rank] in fp32, of a linear or a convolution. Raises TrainerError."""
        module = weight.removesuffix(".weight")
        a, b = (self._read(f"{PREFIX}{module}.lora_{letter}.weight").float().flatten(1) for letter in "AB")
        return a, b

    def _read(self, name: str) -> Tensor:
        if name not in self.header.entries:
            raise TrainerError(f"{self.path}: {name} is missing")
        with self.path.open("rb") as file:
            return read_whole(file, self.header.entries[name])


def merge(
    adapter: Adapter, base: Path, out: Path, statistics: Path | None = None, progress: Progress = lambda *_: None
) -> None:
    """Writes the folder `out`: `base` with the adapter's change added to its weights, in the base's own dtype.

    Names, shards, configuration, preprocessor and tokenizer are the base's; `statistics` (dataset_statistics.json of
    the fine-tuning) is added to them. Never more than a block of one tensor is in memory. `out` appears whole or not
    at all. `progress` is told bytes done and in all. Raises TrainerError, and leaves nothing, for what cannot be.
    """
    OpenVLAConfig.from_json_file(base / "config.json")
    shards = {path: whole_header(path) for path in weight_files(base)}
    _refuse_misfit(adapter, base, shards)
    _refuse_occupied(out)
    total = sum(header.file_bytes for header in shards.values())
    _refuse_full_disk(out, total)
    aside = out.with_name(f".{out.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        done = 0
        for path, header in shards.items():
            for written in _write_shard(adapter, path, header, aside / path.name):
                done += written
                progress(done, total)
        _write_the_rest(adapter, base, aside, statistics)
        _publish(aside, out)
    except OSError as error:
        raise TrainerError(f"{out}: not written: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse_misfit(adapter: Adapter, base: Path, shards: dict[Path, Header]) -> None:
    """Raises TrainerError where the adapter is of another model: modules, shapes, or a base weight it remembers."""
    entries = {name: (path, entry) for path, header in shards.items() for name, entry in header.entries.items()}
    if not adapter.adapted:
        raise TrainerError(f"{adapter.path}: holds no LoRA weights")
    for name in sorted(adapter.adapted | adapter.copies.keys()):
        if name not in entries:
            raise TrainerError(f"{adapter.folder}: adapts {name}, which {base} does not have")
    for name in sorted(adapter.adapted):
        a, b = (_shape(adapter, name, letter) for letter in "AB")
        shape = entries[name][1].shape
        if (b[0], *a[1:]) != shape or b[1] != a[0]:
            raise TrainerError(f"{adapter.folder}: {name} would be {(b[0], *a[1:])}, in {base} it is {shape}")
    for name, own in adapter.copies.items():
        if not _is_same(adapter, own, *entries[name]):
            raise TrainerError(f"{adapter.folder}: remembers another {name} than {base} has: name its own base model")


def _shape(adapter: Adapter, weight: str, letter: str) -> tuple[int, ...]:
    name = f"{PREFIX}{weight.removesuffix('.weight')}.lora_{letter}.weight"
    if name not in adapter.header.entries:
        raise TrainerError(f"{adapter.path}: {name} is missing")
    return adapter.header.entries[name].shape


def _is_same(adapter: Adapter, own: str, path: Path, entry: Entry) -> bool:
    """Whether a remembered weight is the base's, as far as the coarser of the two dtypes can tell."""
    mine = adapter.header.entries[own]
    if mine.shape != entry.shape:
        return False
    with adapter.path.open("rb") as ours, path.open("rb") as theirs:
        for rows in blocks(entry):
            one, other = read_rows(ours, mine, rows), read_rows(theirs, entry, rows)
            coarser = min((one.dtype, other.dtype), key=lambda dtype: -torch.finfo(dtype).eps)
            if not torch.equal(one.to(coarser), other.to(coarser)):
                return False
    return True


def _refuse_occupied(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainerError(f"--out {out}: there is something already; name a folder that is not there yet")


def _refuse_full_disk(out: Path, total: int) -> None:
    existing = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < total + HEADROOM_BYTES:
        raise TrainerError(f"--out {out}: {total / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free; make room")


def _write_shard(adapter: Adapter, source: Path, header: Header, target: Path) -> Iterator[int]:
    """Writes the same header, then each tensor, merged or as it was; yields bytes written."""
    with source.open("rb") as read, target.open("xb") as write:
        write.write(header.raw)
        yield len(header.raw)
        for name, entry in header.entries.items():
            factors = adapter.factors(name) if name in adapter.adapted else None
            for rows in blocks(entry):
                yield write.write(_block(read, entry, rows, factors, adapter.scale))
        write.flush()
        os.fsync(write.fileno())


def _block(file: BinaryIO, entry: Entry, rows: range, factors: tuple[Tensor, Tensor] | None, scale: float) -> bytes:
    if factors is None:
        return read_bytes(file, entry, rows)
    a, b = factors
    weight = read_rows(file, entry, rows)
    change = (b[rows.start : rows.stop] @ a) * scale
    merged = (weight.float() + change.view(weight.shape)).to(weight.dtype)
    return merged.view(torch.uint8).numpy().tobytes()


def statistics_file(adapter: Adapter, named: Path | None = None) -> Path | None:
    """Where the statistics of the fine-tuning's data are: as named, else beside the adapter or its run's adapters."""
    if named is not None:
        return named
    places = (adapter.folder / STATISTICS_FILE, adapter.folder.parent / STATISTICS_FILE)
    return next((path for path in places if path.is_file()), None)


def _write_the_rest(adapter: Adapter, base: Path, folder: Path, statistics: Path | None) -> None:
    """Configuration, tokenizer, preprocessor and model code as they are; statistics where the published class looks."""
    for path in sorted({path for pattern in COPIED for path in base.glob(pattern)}):
        shutil.copyfile(path, folder / path.name)
    known = {} if statistics is None else read_json(statistics)
    if known:
        config = read_json(base / "config.json")
        write_json(folder / "config.json", config | {"norm_stats": {**config.get("norm_stats", {}), **known}})
        write_json(folder / STATISTICS_FILE, known)
    write_json(folder / ORIGIN_FILE, {"adapter": str(adapter.folder.absolute()), "base": str(base.absolute())})


def _publish(aside: Path, out: Path) -> None:
    for path in aside.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(aside)
    if out.exists():
        out.rmdir()
    aside.rename(out)
    sync_folder(out.parent)
