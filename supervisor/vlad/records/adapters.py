"""Adapters on the disk that a run can go on from: step, success, age. Touches the disk."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from vlad.records.files import read_lines
from vlad.records.progress import Evaluation, decode_evaluations
from vlad.records.rundir import RunDirectory
from vlad.records.summary_reading import read_summary

MARK = "adapter_config.json"
TRAINER_STATE = "trainer_state.pt"
STEP_IN_NAME = re.compile(r"step-(\d+)$|--(\d+)_chkpt$")
MOST_FOLDERS = 2_000
MOST_FOUND = 500


class Adapter(msgspec.Struct, frozen=True):
    """A folder with an adapter. `saved_at` in Unix seconds; `step` and the success in percent where they are known."""

    path: Path
    saved_at: float
    step: int | None = None
    success_rate: float | None = None
    episodes: int | None = None

    @property
    def name(self) -> str:
        """What tells it from others: the folder above for a step of a run, else its own."""
        return self.path.parent.name if self.path.name.startswith("step-") else self.path.name


def find_adapters(folders: Iterable[Path], evaluations: Iterable[Evaluation] = ()) -> tuple[Adapter, ...]:
    """Adapters in `folders` and one folder below, newest first; what cannot be read is left out.

    `evaluations` tell the success of those whose path they name.
    """
    told = {str(one.checkpoint): one for one in evaluations if one.checkpoint and one.failure is None}
    found: dict[Path, Adapter] = {}
    for folder in dict.fromkeys(folders):
        for path in _with_adapter(folder):
            if path not in found and (adapter := _adapter(path, told.get(str(path)))) is not None:
                found[path] = adapter
    return tuple(sorted(found.values(), key=lambda adapter: (-adapter.saved_at, str(adapter.path))))[:MOST_FOUND]


def checkpoint_folders(runs: Iterable[RunDirectory]) -> list[Path]:
    """Where the runs keep their checkpoints, as far as they have told of one."""
    saved = [read_summary(run).summary.last_checkpoint for run in runs]
    return list(dict.fromkeys(Path(one.path).parent for one in saved if one))


def evaluations_of(runs: Iterable[RunDirectory]) -> list[Evaluation]:
    """Every evaluation that the runs have told."""
    return [evaluation for run in runs for evaluation in decode_evaluations(read_lines(run.evaluations, 0)[0])]


def _with_adapter(folder: Path) -> list[Path]:
    """Folders with an adapter, in `folder` itself and up to two levels below it."""
    try:
        marks = [mark for pattern in (MARK, f"*/{MARK}", f"*/*/{MARK}") for mark in folder.glob(pattern)]
    except OSError:
        return []
    return [mark.parent for mark in marks[:MOST_FOLDERS]]


def _adapter(path: Path, told: Evaluation | None) -> Adapter | None:
    try:
        saved_at = (path / MARK).stat().st_mtime
    except OSError:
        return None
    found = STEP_IN_NAME.search(path.name)
    step = int(found[1] or found[2]) if found else told.step if told else _step_beside(path)
    if told is None:
        return Adapter(path, saved_at, step)
    return Adapter(path, saved_at, step, told.success_rate, told.episodes)


def _step_beside(path: Path) -> int | None:
    """As the original script's trainer_state.pt tells it."""
    from vlad.records.torch_file import step_of_trainer_state  # with zipfile and pickle, for the few that need it

    return step_of_trainer_state(path / TRAINER_STATE)
