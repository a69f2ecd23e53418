"""Room for checkpoints, data and models: bytes, inodes, shared memory; and whether large files are where they may."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlad.host.health.finding import Finding, Level
from vlad.records import figures

GIB = 2**30
FULL_BYTES, TIGHT_BYTES = 2 * GIB, 20 * GIB
FULL_INODES, TIGHT_INODES = 1_000, 50_000
SMALL_SHM_BYTES = GIB


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that matters, why, and whether large files go there."""

    what: str
    path: Path
    is_for_large_files: bool = False


def places(home: Path, project_root: Path, environ: Mapping[str, str], roots: Sequence[str]) -> list[Place]:
    """Where runs, checkpoints, models and temporary files go on this host, and the configured roots."""
    user = Path(environ.get("HOME", "~")).expanduser()
    cache = Path(environ.get("XDG_CACHE_HOME") or user / ".cache")
    found = [
        Place("runs (VLAD_HOME)", home),
        Place("project root", project_root, True),
        Place("models (HF_HOME)", Path(environ.get("HF_HOME") or cache / "huggingface"), True),
        Place("temporary files (TMPDIR)", Path(environ.get("TMPDIR") or "/tmp")),
    ]
    return [*found, *(Place("large files", Path(root).expanduser(), True) for root in roots)]


def check_space(found: Iterable[Place]) -> list[Finding]:
    """One finding for each disk that any of the places is on."""
    by_device: dict[int, list[Place]] = {}
    findings = []
    for place in found:
        there = _existing(place.path)
        by_device.setdefault(there.stat().st_dev, []).append(place)
        if there != place.path and place.what == "large files":
            findings.append(_missing(place))
        elif not os.access(there, os.W_OK):
            findings.append(_closed(place, there))
    return [*(_space(on_it) for on_it in by_device.values()), *findings]


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that there is: it will be made there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _missing(place: Place) -> Finding:
    return Finding(
        check="disk", level=Level.WARNING, found=f"{place.path} of large_file_roots does not exist",
        advice="mount it, or correct large_file_roots in vlad's config.yaml",
    )  # fmt: skip


def _closed(place: Place, there: Path) -> Finding:
    return Finding(
        check="disk", level=Level.PROBLEM, found=f"{place.what} {place.path}: {there} cannot be written by you",
        advice="change its owner or mode, or choose another folder",
    )  # fmt: skip


def _space(on_it: Sequence[Place]) -> Finding:
    names = ", ".join(dict.fromkeys(f"{place.what} {place.path}" for place in on_it))
    stat = os.statvfs(_existing(on_it[0].path))
    free_bytes = stat.f_bavail * stat.f_frsize
    has_inodes = stat.f_files > 0  # some file systems count none
    found = f"{figures.size(free_bytes)} free" + (f", {figures.count(stat.f_favail)} inodes free" if has_inodes else "")
    is_full = free_bytes < FULL_BYTES or (has_inodes and stat.f_favail < FULL_INODES)
    is_tight = free_bytes < TIGHT_BYTES or (has_inodes and stat.f_favail < TIGHT_INODES)
    level = Level.PROBLEM if is_full else Level.WARNING if is_tight else Level.OK
    advice = "" if level is Level.OK else "make room: `vlad prune` removes old runs, `du -x` shows what is large"
    return Finding(check="disk", level=level, found=f"{names}: {found}", advice=advice)


def check_roots(found: Iterable[Place], roots: Sequence[str]) -> list[Finding]:
    """Whether all that is large goes below the roots that are configured for it; nothing without such a rule."""
    allowed = [Path(root).expanduser().resolve() for root in roots]
    if not allowed:
        return []
    outside = [
        place
        for place in found
        if place.is_for_large_files and not any(place.path.resolve().is_relative_to(root) for root in allowed)
    ]
    if not outside:
        return [Finding(check="large files", level=Level.OK, found=f"all below {', '.join(map(str, allowed))}")]
    rule = ", ".join(map(str, allowed))
    return [
        Finding(
            check="large files", level=Level.WARNING, found=f"{place.what} {place.path} is not below {rule}",
            advice="move it: HF_HOME, --project-root or VLAD_PROJECT_ROOT say where it is",
        )
        for place in outside
    ]  # fmt: skip


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    try:
        stat = os.statvfs(folder)
    except OSError as error:
        return Finding(
            check="shared memory", level=Level.PROBLEM, found=f"{folder}: {error.strerror}",
            advice="data loader workers and NCCL need it; mount a tmpfs there",
        )  # fmt: skip
    size_bytes, free_bytes = stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize
    found = f"{folder}: {figures.size(free_bytes)} of {figures.size(size_bytes)} free"
    if free_bytes >= SMALL_SHM_BYTES:
        return Finding(check="shared memory", level=Level.OK, found=found)
    return Finding(
        check="shared memory", level=Level.WARNING, found=found,
        advice="data loader workers and NCCL want more: --shm-size=16g or --ipc=host for a container",
    )  # fmt: skip
