"""Merged models of a run's checkpoints (`merge_lora_during_training`), made beside training by a process of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vlatrain.train.checkpoint import OWNER, Saved

KIND = "_chkpt"
NICENESS = 10


@dataclass(slots=True)
class Merges:
    """Adds each checkpoint's adapter to `base`, streaming, on the CPU, one at a time; training never waits.

    A checkpoint that is overtaken by a newer one before its turn is left out. With `keeps_newest_only` a merged model
    goes when the next one is there. Used on the first rank, by the thread that writes checkpoints.
    """

    base: Path
    folder: Path
    keeps_newest_only: bool
    warn: Callable[[str], None]
    _newest: Saved | None = None
    _job: Future[None] | None = None
    _process: "subprocess.Popen[str] | None" = None
    _is_closed: bool = False
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "merge"))

    def begin(self, saved: Saved) -> None:
        """Returns at once."""
        self._newest = saved
        self._job = self._worker.submit(self._merge, saved)

    def wait(self) -> None:
        """Until the newest checkpoint is merged, or could not be."""
        if self._job is not None:
            self._job.result()

    def close(self) -> None:
        """What is still under way is given up, and told."""
        self._is_closed = True
        process = self._process  # the worker's thread forgets it when it has ended
        if process is not None:
            process.terminate()
        self._worker.shutdown()

    def place_of(self, checkpoint: Path) -> Path:
        """Named as the original script names them, after this history's own folder of checkpoints."""
        step = int(checkpoint.name.rpartition("-")[2])
        return self.folder / f"{checkpoint.parent.name}--{step}{KIND}"

    def _merge(self, saved: Saved) -> None:
        if saved is not self._newest:
            return
        out = self.place_of(saved.path)
        self._clean(saved.path.parent)
        shutil.rmtree(out, ignore_errors=True)  # of the same step of this history, before somebody went back
        failure = "the run stopped first" if self._is_closed else self._failure(saved.path, out)
        if failure:
            self.warn(f"step {saved.step} is not merged: {failure}; `vlad merge` does it at any time")
        elif self.keeps_newest_only:
            self._forget_others(out, saved.path.parent)

    def _failure(self, checkpoint: Path, out: Path) -> str:
        words = ["merge", "--adapter", str(checkpoint), "--base", str(self.base), "--out", str(out)]
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vlatrain.tools", *words],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._is_closed:
            process.terminate()
        with suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).nice(NICENESS)
        _, said = process.communicate()
        self._process = None
        if not process.returncode:
            return ""
        self._clean(checkpoint.parent)
        if self._is_closed:
            return "the run stopped first"
        return (said.strip().splitlines() or [f"status {process.returncode}"])[-1]

    def _clean(self, checkpoints: Path) -> None:
        """Halves of models that a killed process left."""
        for half in self.folder.glob(f".{checkpoints.name}--*{KIND}.new"):
            shutil.rmtree(half, ignore_errors=True)

    def _forget_others(self, out: Path, checkpoints: Path) -> None:
        """Only what this history made."""
        if not (checkpoints / OWNER).is_file():
            return
        for other in self.folder.glob(f"{checkpoints.name}--*{KIND}"):
            number = other.name.removeprefix(f"{checkpoints.name}--").removesuffix(KIND)
            if other != out and number.isdecimal():
                shutil.rmtree(other, ignore_errors=True)
