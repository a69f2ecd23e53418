"""Removes runs that have ended, and their checkpoints where that is asked for; never what lives or is needed."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlad.policy.keep import best_checkpoints
from vlad.records.files import RecordError
from vlad.records.progress import CheckpointSaved, decode_progress
from vlad.records.run import RunRecord
from vlad.records.rundir import Home, RunDirectory
from vlad.records.summary_reading import read_summary
from vlad.supervise import locks

LOCK_PATIENCE_S = 1.0
REMOVED = ".removed"
CHECKPOINT_LINE = b'"kind":"checkpoint"'


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes with a run: its folder, and these checkpoints. `kept` says which stay, and why."""

    run: RunDirectory
    checkpoints: tuple[Path, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(_size_bytes(path) for path in (self.run.path, *self.checkpoints))


def plan_removal(home: Home, runs: Sequence[RunDirectory], *, checkpoints: bool, best_too: bool) -> list[Removal]:
    """What removing these runs means. Raises RecordError for one that lives, or that has to stay."""
    awaited = _awaited(home)
    best: set[Path] = set()
    for run in runs:
        _refuse_living(run)
        if run.run_id in awaited:
            other = awaited[run.run_id]
            raise RecordError(f"{other} is to follow {run.run_id}, and has not begun; `vlad stop {other}` first")
        best |= set() if best_too else _best_of(run)
    if not checkpoints:
        return [_without_checkpoints(run, best) for run in runs]
    needed = _needed_by_others(home, {run.run_id for run in runs})
    return [_with_checkpoints(run, best, needed) for run in runs]


def _awaited(home: Home) -> dict[str, str]:
    """Runs that a live one is to follow, and which."""
    found = {}
    for live in map(home.run, home.live_ids()):
        try:
            if not live.read_record().attempts:
                found.update({one.run_id: live.run_id for one in live.read_spec().after})
        except RecordError:
            continue
    return found


def _refuse_living(run: RunDirectory) -> None:
    """A run whose records cannot be read, and that holds no lock, does not live."""
    record = _record(run)
    is_live = locks.is_locked(run.lock) or (record is not None and not record.state.is_final)
    if is_live or locks.is_locked(run.keeper_lock):
        raise RecordError(f"{run.run_id} is {record.state if record else 'alive'}; `vlad stop {run.run_id}` ends it")


def _record(run: RunDirectory) -> RunRecord | None:
    try:
        return run.read_record()
    except RecordError:
        return None


def _without_checkpoints(run: RunDirectory, best: set[Path]) -> Removal:
    inside = [path for path in best if path.is_relative_to(run.path.resolve())]
    if inside:
        raise RecordError(f"{run.run_id} holds the best checkpoint {inside[0]}; --best-too removes that as well")
    return Removal(run)


def _with_checkpoints(run: RunDirectory, best: set[Path], needed: set[Path]) -> Removal:
    _without_checkpoints(run, best)
    removable, kept = [], []
    for path in sorted({found for one in _reported(run) if (found := _resolved(run, one.path)).exists()}):
        if reason := _reason_to_keep(path, best, needed):
            kept.append(f"{path}: {reason}")
        else:
            removable.append(path)
    return Removal(run, tuple(removable), tuple(kept))


def _reason_to_keep(path: Path, best: set[Path], needed: set[Path]) -> str:
    if path in best:
        return "the best of its run (--best-too removes it)"
    if any(other.is_relative_to(path) for other in needed):
        return "another run needs it"
    return "" if _is_checkpoint(path) else "does not look like a checkpoint of ours"


def _best_of(run: RunDirectory) -> set[Path]:
    saved = [one for one in _reported(run) if _resolved(run, one.path).exists()]
    return {_resolved(run, path) for path in best_checkpoints(saved, read_summary(run).summary)}


def _needed_by_others(home: Home, doomed: set[str]) -> set[Path]:
    """Checkpoints that runs which stay report too (they went on from them), or were started from."""
    needed: set[Path] = set()
    for other in (home.run(run_id) for run_id in home.run_ids() if run_id not in doomed):
        needed |= {_resolved(other, one.path) for one in _reported(other)}
        needed |= _starting_points(other)
    return needed


def _starting_points(run: RunDirectory) -> set[Path]:
    try:
        path = run.read_spec().resume_from
    except RecordError:
        return set()
    return {_resolved(run, path)} if path else set()


def _reported(run: RunDirectory) -> list[CheckpointSaved]:
    """All checkpoints that the run has ever reported, in order."""
    return [line for line in decode_progress(_checkpoint_lines(run.progress)) if isinstance(line, CheckpointSaved)]


def _checkpoint_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from (line for line in file if CHECKPOINT_LINE in line)
    except FileNotFoundError:
        return


def _resolved(run: RunDirectory, path: str) -> Path:
    """Relative ones stand below the folder in which the program ran."""
    try:
        return Path(run.read_spec().cwd, path).resolve()
    except RecordError:
        return Path("/", path).resolve()


def _is_checkpoint(path: Path) -> bool:
    """A program may have reported anything: what goes must be ours, and be what this or the original trainer saves."""
    if not path.is_dir() or path.lstat().st_uid != os.geteuid():
        return False
    if (path / "adapter_config.json").is_file() and list(path.glob("adapter_model.*")):
        return True
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"step", "saved_at", "files"} <= manifest.keys()


def remove(home: Home, removal: Removal) -> None:
    """Removes the run and then the checkpoints. Raises RecordError where it has come to life meanwhile."""
    run = removal.run
    guard = locks.open_lock(run.keeper_lock)
    try:
        is_guarded = not locks.lock_within(guard, LOCK_PATIENCE_S)
        record = _record(run)
        if is_guarded or locks.is_locked(run.lock) or (record is not None and not record.state.is_final):
            raise RecordError(f"{run.run_id} has come to life; `vlad stop {run.run_id}` ends it")
        home.mark_ended(run.run_id)
        run.path.rename(run.path.with_name(f".{run.run_id}{REMOVED}"))
    finally:
        os.close(guard)
    for path in (*home.runs.glob(f".*{REMOVED}"), *removal.checkpoints):
        shutil.rmtree(path)


def _size_bytes(folder: Path) -> int:
    """On the disk, of all that is below; what goes meanwhile counts for nothing."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total
