"""Checkpoints on the disk: folders that appear whole by a rename, say what they hold, and are kept by rule."""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlad.records import failpoints
from vlad.records.files import replace_file, sync_folder, write_new

from vlatrain.errors import TrainerError

log = logging.getLogger(__name__)

NAME = re.compile(r"step-(\d{6,})")
ASIDE = re.compile(r"\.(step-\d{6,})\.(new|old)")
MANIFEST = "manifest.json"
OWNER = "lineage"
MANIFEST_SCHEMA = 1
HEADROOM_BYTES = 32 * 1024 * 1024
STATE = "train_state.json"
"""Where training stands. Outside the manifest, because the evaluation of this very step is noted in it afterwards."""


class NotSavedError(TrainerError):
    """A checkpoint could not be written, mostly for want of space; what was on the disk before stays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A complete checkpoint."""

    step: int
    path: Path
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointFolder:
    """The checkpoints of one training history; `keep` newest ones stay, and the best. Used by rank 0 only."""

    path: Path
    keep: int

    def path_of(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.path / f"step-{step:06d}"

    def write(self, step: int, fill: Callable[[Path], None], expected_bytes: int) -> Saved:
        """Makes `step-000500` by letting `fill` write its files into a folder aside, which then takes the name.

        Raises NotSavedError where `expected_bytes` do not fit or the disk fills up on the way; what was there stays.
        `fill` raises OSError for whatever it cannot write.
        """
        check_space(self.path, expected_bytes)
        final = self.path_of(step)
        aside = self.path / f".{final.name}.new"
        try:
            _make_empty(aside)
            failpoints.reach("writing_checkpoint")
            fill(aside)
            size_bytes = _seal(aside, step)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise NotSavedError(f"checkpoint of step {step} not saved in {self.path}: {error}") from error
        failpoints.reach("before_checkpoint_rename")
        _take_name(aside, final)
        failpoints.reach("after_checkpoint_rename")
        return Saved(step=step, path=final, size_bytes=size_bytes)

    def prune(self, *wanted: int | None) -> list[int]:
        """Deletes all but the `keep` newest and the `wanted` steps (the best); returns the steps that went."""
        doomed = [step for step, _ in checkpoints(self.path)[: -self.keep] if step not in wanted]
        for step in doomed:
            _remove(self.path_of(step))
        return doomed

    def clean(self) -> None:
        """Ends what a crash left half done: parts go, and a checkpoint that was being replaced comes back."""
        for aside in sorted(self.path.glob(".step-*")):
            match = ASIDE.fullmatch(aside.name)
            if match is None:
                continue
            final = self.path / match[1]
            if match[2] == "old" and not final.exists():
                aside.rename(final)
                sync_folder(self.path)
            else:
                shutil.rmtree(aside, ignore_errors=True)


def claimed_folder(wanted: Path, lineage: str) -> Path:
    """The folder for a training history: `wanted`, or where that holds another history `wanted--2`, `--3`….

    So a run started anew under the same name never replaces the checkpoints of an earlier one.
    """
    number = 1
    while True:
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}--{number}")
        folder.mkdir(parents=True, exist_ok=True)
        if _owns(folder, lineage):
            return folder
        number += 1


def _owns(folder: Path, lineage: str) -> bool:
    """Whether the folder is, or just became, this history's: the marker is made by whoever comes first."""
    if not checkpoints(folder):
        try:
            (folder / OWNER).touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return is_owned(folder, lineage)
        replace_file(folder / OWNER, lineage.encode())
    return is_owned(folder, lineage)


def is_owned(folder: Path, lineage: str) -> bool:
    """Whether the folder holds this history."""
    marker = folder / OWNER
    return marker.is_file() and marker.read_text() == lineage


def size_of(checkpoint: Path) -> int:
    """Bytes of the files that the manifest tells."""
    files = (read_manifest(checkpoint) or {"files": {}})["files"]
    return sum(int(file["size_bytes"]) for file in files.values())


def check_space(folder: Path, expected_bytes: int) -> None:
    """Raises NotSavedError where the disk of `folder` lacks room for that much and some headroom."""
    free = shutil.disk_usage(folder).free
    needed = expected_bytes + HEADROOM_BYTES
    if free < needed:
        raise NotSavedError(
            f"checkpoint not saved: {os.strerror(errno.ENOSPC)}: "
            f"{needed / 1e9:.2f} GB needed in {folder}, {free / 1e9:.2f} GB free; "
            "free some space, lower keep_checkpoints, or move adapter_tmp_dir"
        )


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """The complete checkpoints of a folder with their steps, in the order in which they were saved.

    Which is not that of the steps where somebody went back to an earlier one.
    """
    try:
        named = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [(_saved_at(path), int(match[1]), path) for match, path in named]
    return [(step, path) for saved_at, step, path in sorted(found) if saved_at > 0]


def _saved_at(checkpoint: Path) -> float:
    """Unix seconds; 0 for a folder that is no complete checkpoint."""
    try:
        return float((read_manifest(checkpoint) or {}).get("saved_at", 0))
    except (TrainerError, TypeError, ValueError):
        return 0.0


def latest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint that was saved last in a run's adapter folder, None where there is none."""
    found = checkpoints(folder)
    return found[-1][1] if found else None


def verify(checkpoint: Path, *, checksums: bool = True) -> None:
    """Raises TrainerError where a file is missing or is not what was saved: by size, and by `checksums` if wanted.

    A folder without a manifest, from the original script, passes.
    """
    manifest = read_manifest(checkpoint)
    for name, expected in (manifest or {"files": {}})["files"].items():
        path = checkpoint / name
        size_bytes = path.stat().st_size if path.is_file() else None
        if size_bytes is None:
            raise TrainerError(f"{path} is missing: this checkpoint is damaged, resume from another one")
        if size_bytes != expected["size_bytes"]:
            raise TrainerError(
                f"{path} has {size_bytes} bytes instead of {expected['size_bytes']}: "
                "this checkpoint is damaged, resume from another one"
            )
        if checksums and _sha256(path) != expected["sha256"]:
            raise TrainerError(
                f"{path} has changed since it was saved (sha256 differs): resume from another checkpoint"
            )


def read_manifest(checkpoint: Path) -> dict[str, Any] | None:
    """The manifest, None where there is none. Raises TrainerError for one that cannot be read."""
    path = checkpoint / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TrainerError(f"{path} cannot be read: {error}; resume from another checkpoint") from error
    if not isinstance(manifest, dict) or manifest.get("schema", 0) > MANIFEST_SCHEMA or "files" not in manifest:
        raise TrainerError(f"{path} is of a newer version or no manifest: resume from another checkpoint")
    return manifest


def _make_empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()


def _seal(folder: Path, step: int) -> int:
    """Puts everything on the disk and writes the manifest; returns the bytes of all files."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        _sync(path)
    described: dict[str, dict[str, Any]] = {
        path.name: {"size_bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files if path.name != STATE
    }
    manifest = {"schema": MANIFEST_SCHEMA, "step": step, "saved_at": time.time(), "files": described}
    write_new(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    sync_folder(folder)
    return sum(int(file["size_bytes"]) for file in described.values())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take_name(aside: Path, final: Path) -> None:
    """Gives the finished folder its name; an older one of the same step leaves only when the new one is there."""
    old = final.with_name(f".{final.name}.old")
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    aside.rename(final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _remove(checkpoint: Path) -> None:
    """Out of sight at once, so that nobody finds a part of it."""
    doomed = checkpoint.with_name(f".{checkpoint.name}.new")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
