"""Writes checkpoints: adapter, optimizer, generators of every rank, averages, statistics, and where training stands."""

import json
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from vlad.records.files import replace_file, write_new
from vlad.records.progress import Phase
from vlad.report import RUN_ID_VARIABLE

from vlatrain.data.statistics import DatasetStatistics, save_statistics
from vlatrain.distributed import Ranks
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.lora import save_adapter
from vlatrain.train.checkpoint import (
    STATE,
    CheckpointFolder,
    NotSavedError,
    Saved,
    claimed_folder,
    is_owned,
    size_of,
)
from vlatrain.train.learner import Learner
from vlatrain.train.reports import Reports
from vlatrain.train.rng import rng_state
from vlatrain.train.state import TrainState

TRAINER_STATE = "trainer_state.pt"
SCHEMA = 1
BYTES_PER_WEIGHT = 12  # the weight and two moments in fp32
SMALL_FILES_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class DataMark:
    """What makes a position in the order of samples mean the same samples."""

    dataset: str
    samples: int
    seed: int


@dataclass(slots=True)
class Checkpoints:
    """Saves what a run knows, once for each state; `saved` is the state on the disk."""

    wanted_folder: Path
    keep: int
    lineage: str
    ranks: Ranks
    reports: Reports
    mark: DataMark
    statistics: dict[str, DatasetStatistics]
    saved: TrainState | None = None
    _folder: CheckpointFolder | None = None
    _written: Saved | None = None

    def save(self, learner: Learner, state: TrainState) -> bool:
        """Whether the state is on the disk now; it may be refused for want of space, which is a warning. Collective.

        Raises TrainingError, and writes nothing, where a loss since the last log was no number.
        """
        if state == self.saved:
            return True
        learner.averages.check(self.ranks, state.step)
        own = {"rng": rng_state(learner.device), "averages": learner.averages.state_dict()}
        if learner.method is not None:
            own["method"] = learner.method.rank_state()
        rank_states = self.ranks.gather_objects(own)
        [is_saved] = self.ranks.any_of([self.ranks.is_first and self._try_to_write(learner, state, rank_states)])
        self.saved = state if is_saved else self.saved
        return is_saved

    def goes_on_from(self, checkpoint: Path, state: TrainState, lineage: str | None) -> None:
        """This history continues the checkpoint's, unless a supervised run of its own begins here."""
        self.saved = state
        if lineage is not None and RUN_ID_VARIABLE not in os.environ:
            self.lineage = lineage
        folder = checkpoint.parent
        if folder.name.startswith(self.wanted_folder.name) and is_owned(folder, self.lineage):
            self._folder = CheckpointFolder(path=folder, keep=self.keep)
            self._written = Saved(step=state.step, path=checkpoint, size_bytes=size_of(checkpoint))

    def path_of(self, step: int) -> str | None:
        """Where the checkpoint of a step lies, for whoever asked; known to the first rank."""
        return str(self._written.path) if self._written and self._written.step == step else None

    def _try_to_write(self, learner: Learner, state: TrainState, rank_states: list[dict[str, Any]]) -> bool:
        self.reports.phase(Phase.SAVING, state.step)
        try:
            if self._written is not None and self._written.step == state.step:
                self._note(self._written, state)
            else:
                self._written = self._write(learner, state, rank_states)
        except (NotSavedError, OSError) as error:
            self.reports.warn(str(error))
            return False
        return True

    def _note(self, written: Saved, state: TrainState) -> None:
        """The same step again, evaluated meanwhile: nothing but where training stands has changed."""
        replace_file(written.path / STATE, self._state_file(state))
        if state.is_best:
            self.reports.checkpoint(written, is_best=True)

    def _write(self, learner: Learner, state: TrainState, rank_states: list[dict[str, Any]]) -> Saved:
        if self._folder is None:
            self._folder = CheckpointFolder(path=claimed_folder(self.wanted_folder, self.lineage), keep=self.keep)
        self._folder.clean()
        weights = sum(parameter.numel() for parameter in learner.trained)
        fill = partial(self._fill, learner=learner, state=state, rank_states=rank_states)
        written = self._folder.write(state.step, fill, weights * BYTES_PER_WEIGHT + SMALL_FILES_BYTES)
        self.reports.checkpoint(written, is_best=state.is_best)
        self._folder.prune(state.best_step)
        return written

    def _fill(self, folder: Path, learner: Learner, state: TrainState, rank_states: list[dict[str, Any]]) -> None:
        """Raises OSError for whatever cannot be written."""
        try:
            if learner.adapted is not None:
                save_adapter(learner.adapted, folder)
            else:
                save_base(learner.vla, folder)
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(str(error)) from error
        save_torch(_trainer_state(learner, state, rank_states), folder / TRAINER_STATE)
        save_statistics(folder, self.statistics)
        write_new(folder / STATE, self._state_file(state))

    def _state_file(self, state: TrainState) -> bytes:
        world_size = self.ranks.world_size
        known = {"schema": SCHEMA, "lineage": self.lineage, "world_size": world_size, "data": asdict(self.mark)}
        return json.dumps({**known, "state": state.to_dict()}, indent=1).encode()


def save_torch(content: dict[str, Any], path: Path) -> None:
    """torch.save that raises OSError where the disk does not take it; torch itself names a place in its sources."""
    try:
        torch.save(content, path)
    except RuntimeError as error:
        if "inline_container" not in str(error) and "PytorchStream" not in str(error):
            raise
        raise OSError(f"{path.name} could not be written whole: no space left, or the disk failed") from error


def _trainer_state(learner: Learner, state: TrainState, rank_states: list[dict[str, Any]]) -> dict[str, Any]:
    """The first three keys are the original script's, so that it could go on from our checkpoints."""
    method = None if learner.method is None else learner.method.state_dict()
    return {
        "global_step": state.step,
        "optimizer": learner.optimizer.state_dict(),
        "scheduler": {"last_epoch": state.step},
        "vlatrain": {"schema": SCHEMA, "ranks": rank_states, "scaler": learner.scaler.state_dict(), "method": method},
    }
