"""What the supervisor does for programs that are not our trainer: follows their log, and tells when to stop early."""

import contextlib
import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vlad.records.files import RecordError
from vlad.records.outcome import Exit
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind, RunSpec
from vlad.records.wording import Wordings

if TYPE_CHECKING:
    from vlad.supervise.read_log import LogReader


def load_for(run: RunDirectory) -> None:
    """What a supervisor of this kind of run will need: loaded before the fork, keeper and supervisor share it."""
    with contextlib.suppress(RecordError):
        if run.read_spec().kind is Kind.COMMAND:
            importlib.import_module("vlad.supervise.read_log")


class Observer:
    """Does nothing for our trainer, which reports itself, and then loads nothing of the parsers."""

    def __init__(self, run: RunDirectory, spec: RunSpec) -> None:
        self._run = run
        self._spec = spec
        self._reader: LogReader | None = None
        self._judged_bytes = 0

    def begin(self, attempt: int) -> None:
        """Before the program is started: whatever is in the run's files later is its own doing."""
        if self._spec.kind is Kind.COMMAND:
            self._reader_of(attempt)

    def look(self, attempt: int) -> None:
        """Reports what the log has told since."""
        if self._spec.kind is Kind.COMMAND:
            self._reader_of(attempt).read_new(time.time())

    def end(self, attempt: int, exit: Exit) -> None:
        """Reports the rest."""
        if self._spec.kind is Kind.COMMAND:
            self._reader_of(attempt).finish(time.time(), succeeded=exit.is_success)

    def verdict(self, attempt: int) -> tuple[int, Wordings] | None:
        """The step and the reason to stop early, None for going on."""
        size = _size(self._run.evaluations) if self._spec.early_stop is not None else 0
        if self._spec.kind is not Kind.COMMAND or size == self._judged_bytes:
            return None
        from vlad.supervise.early_stop import verdict

        found = verdict(self._run, self._spec, attempt)
        self._judged_bytes = size if found is None else 0
        return found

    def _reader_of(self, attempt: int) -> "LogReader":
        from vlad.supervise.read_log import LogReader

        if self._reader is None or self._reader.attempt != attempt:
            self._reader = LogReader(self._run, self._spec, attempt)
        return self._reader


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
