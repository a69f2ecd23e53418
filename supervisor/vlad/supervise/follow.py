"""Follows what the program reports: the newest step and checkpoints, answered requests, and how it said it ended."""

from pathlib import Path

import msgspec

from vlad.records.files import read_lines
from vlad.records.progress import (
    CheckpointBegun,
    CheckpointSaved,
    Finished,
    ProgressLine,
    RequestDone,
    Step,
    decode_progress,
)
from vlad.records.rundir import RunDirectory

CHECKPOINTS_REMEMBERED = 16
PIECE_BYTES = 1 << 18


class Progress(msgspec.Struct, frozen=True):
    """What a run has reported so far, over all attempts; `checkpoints` oldest first, also those only begun."""

    step: int | None = None
    checkpoints: tuple[CheckpointBegun | CheckpointSaved, ...] = ()
    finished: Finished | None = None
    answered: frozenset[str] = frozenset()

    def after(self, line: ProgressLine) -> "Progress":
        match line:
            case Step():
                return msgspec.structs.replace(self, step=line.step)
            case CheckpointBegun() | CheckpointSaved(is_new=True):
                others = tuple(one for one in self.checkpoints if one.path != line.path)
                return msgspec.structs.replace(self, checkpoints=(*others, line)[-CHECKPOINTS_REMEMBERED:])
            case Finished():
                return msgspec.structs.replace(self, finished=line)
            case RequestDone():
                return msgspec.structs.replace(self, answered=self.answered | {line.request_id})
            case _:
                return self

    def finished_in(self, attempt: int) -> Finished | None:
        """What the program said at its end in this attempt."""
        return self.finished if self.finished is not None and self.finished.attempt == attempt else None


class ProgressFollower:
    """Reads progress.jsonl as it grows."""

    def __init__(self, run: RunDirectory) -> None:
        self.progress = Progress()
        self._path = run.progress
        self._offset = 0

    def read_new(self) -> Progress:
        """The progress up to now. A long file is read in pieces, so that its size costs no memory."""
        while True:
            lines, self._offset = read_lines(self._path, self._offset, PIECE_BYTES)
            if not lines:
                return self.progress
            for line in decode_progress(lines):
                self.progress = self.progress.after(line)


def existing_checkpoint(progress: Progress, cwd: str) -> CheckpointBegun | CheckpointSaved | None:
    """The newest reported checkpoint that is on the disk; its path may be relative to `cwd`, of the program."""
    return next((saved for saved in reversed(progress.checkpoints) if Path(cwd, saved.path).is_dir()), None)
