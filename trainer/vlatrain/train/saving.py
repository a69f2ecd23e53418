"""Saves while training goes on: a copy is taken between two steps, and a thread of the first rank writes it."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from vlad.records.files import replace_file
from vlad.records.progress import Phase
from vlad.report import RUN_ID_VARIABLE

from vlatrain.data.statistics import DatasetStatistics
from vlatrain.distributed import Ranks
from vlatrain.train.checkpoint import (
    STATE,
    CheckpointFolder,
    NotSavedError,
    Saved,
    claimed_folder,
    is_owned,
    size_of,
)
from vlatrain.train.contents import SCHEMA, Contents, fill, live_contents
from vlatrain.train.learner import Learner
from vlatrain.train.merges import Merges
from vlatrain.train.reports import Reports
from vlatrain.train.rng import rng_state
from vlatrain.train.staging import Staging, fits_in_memory
from vlatrain.train.state import TrainState

COPIES = 3
"""Of the size of each trained tensor: itself and the optimizer's two moments"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataMark:
    """What makes a position in the order of samples mean the same samples."""

    dataset: str
    samples: int
    seed: int


@dataclass(slots=True)
class Checkpoints:
    """Saves what a run knows, once for each state; `saved` is the state on the disk.

    One checkpoint at a time: the next one, an evaluation, an answer and the end of the run wait for the last. `failure`
    tells on the first rank why the last one is not on the disk.
    """

    wanted_folder: Path
    keep: int
    lineage: str
    ranks: Ranks
    reports: Reports
    mark: DataMark
    statistics: dict[str, DatasetStatistics]
    companions: dict[str, bytes] = field(default_factory=dict)
    """Files of the base model besides its weights, by name, which a whole model needs as well"""
    merges: Merges | None = None
    saved: TrainState | None = None
    failure: str = ""
    _begun: TrainState | None = None
    _folder: CheckpointFolder | None = None
    _written: Saved | None = None
    _staging: Staging = field(default_factory=Staging)
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "checkpoint"))
    _job: Future[bool] | None = None

    def prepare(self, learner: Learner) -> None:
        """Takes the memory for copies before the first step, where the host has room: pinning it would stall a step."""
        trained = learner.trained
        copies = COPIES if learner.ema is None else COPIES + 1
        if self.ranks.is_first and learner.device.type == "cuda" and fits_in_memory([trained] * copies, self._staging):
            self._staging.reserve(trained, copies)

    def save(self, learner: Learner, state: TrainState) -> bool:
        """Whether the state is on the disk now; it may be refused for want of space, which is a warning. Collective.

        Raises TrainingError, and writes nothing, where a loss since the last log was no number.
        """
        self.begin(learner, state)
        self.settle()
        return state == self.saved

    def begin(self, learner: Learner, state: TrainState) -> None:
        """As `save`, but returns as soon as training may go on. Collective."""
        if state in (self.saved, self._begun):
            return
        asked = time.monotonic()
        self.settle()
        waited_s = time.monotonic() - asked
        learner.averages.check(self.ranks, state.step)  # waits for what the device still computes: no stall
        started = time.monotonic() - waited_s
        own = {"rng": rng_state(learner.device), "averages": learner.averages.state_dict()}
        if learner.method is not None:
            own["method"] = learner.method.rank_state()
        rank_states = self.ranks.gather_objects(own)
        self._begun = state
        if not self.ranks.is_first:
            return
        self.reports.phase(Phase.SAVING, state.step)
        if self._written is not None and self._written.step == state.step:
            self._job = self._writer.submit(self._try, partial(self._note, self._written, state))
        else:
            self._begin_writing(learner, live_contents(learner, state, rank_states), started)

    def settle(self) -> None:
        """Waits until what was begun is on the disk or has failed; every rank knows then. Collective."""
        if self._begun is None:
            return
        [is_saved] = self.ranks.any_of([self._job is not None and self._job.result()])
        self.saved = self._begun if is_saved else self.saved
        self._begun = self._job = None

    def close(self) -> None:
        """Waits for the disk. Not collective, for a run that fails."""
        self._writer.shutdown()
        if self.merges is not None:
            self.merges.close()

    def wait_for_merges(self) -> None:
        """Of the checkpoint that was saved last."""
        if self.merges is not None:
            self.merges.wait()

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

    def folder_of(self, step: int) -> Path | None:
        """Where the checkpoint of a step lies, None where there is none; known to the first rank."""
        path = self._folder.path / f"step-{step:06d}" if self._folder else None
        return path if path is not None and path.is_dir() else None

    def tell_best(self, step: int) -> None:
        """The checkpoint of an earlier step has turned out to be the best."""
        path = self.folder_of(step)
        if path is not None:
            self.reports.checkpoint(Saved(step=step, path=path, size_bytes=size_of(path)), is_best=True, is_new=False)

    def _begin_writing(self, learner: Learner, live: Contents, started: float) -> None:
        """Without room for a copy training waits for the disk."""
        copy = live.copied(self._staging)
        stall_s = time.monotonic() - started
        write = partial(self._write, learner, copy or live, stall_s, is_awaited=copy is None)
        self._job = self._writer.submit(self._try, write)
        if copy is None:
            self._job.result()
        self.reports.stalled(live.state.step, time.monotonic() - started)

    def _try(self, work: Callable[[], None]) -> bool:
        """In the writer's thread, as all that follows: whether it is on the disk."""
        try:
            work()
        except (NotSavedError, OSError) as error:
            self.failure = str(error)
            self.reports.warn(self.failure)
            return False
        return True

    def _note(self, written: Saved, state: TrainState) -> None:
        """The same step again, evaluated meanwhile: nothing but where training stands has changed."""
        replace_file(written.path / STATE, self._state_file(state))
        if state.is_best:
            self.reports.checkpoint(written, is_best=True)

    def _write(self, learner: Learner, contents: Contents, stall_s: float, *, is_awaited: bool) -> None:
        started, state = time.monotonic(), contents.state
        if self._folder is None:
            self._folder = CheckpointFolder(path=claimed_folder(self.wanted_folder, self.lineage), keep=self.keep)
        self._folder.clean()
        files = partial(
            fill,
            contents=contents,
            learner=learner,
            statistics=self.statistics,
            state_file=self._state_file(state),
            companions=self.companions,
        )
        self.reports.checkpoint_begun(state.step, self._folder.path_of(state.step))
        self._written = self._folder.write(state.step, files, contents.expected_bytes)
        write_s = time.monotonic() - started
        stall_s += write_s if is_awaited else 0
        self.reports.checkpoint(self._written, is_best=state.is_best, stall_s=stall_s, write_s=write_s)
        self._folder.prune(state.best_step, *state.pending)
        if self.merges is not None:
            self.merges.begin(self._written)

    def _state_file(self, state: TrainState) -> bytes:
        world_size = self.ranks.world_size
        known = {"schema": SCHEMA, "lineage": self.lineage, "world_size": world_size, "data": asdict(self.mark)}
        return json.dumps({**known, "state": state.to_dict()}, indent=1).encode()
