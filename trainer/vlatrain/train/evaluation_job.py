"""The files of one evaluation beside training: its result, and the run that brings it."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from vlad.records.files import RecordError
from vlad.records.progress import Evaluation
from vlad.records.run import RunRecord
from vlad.records.rundir import RunDirectory
from vlad.records.summary import of_attempt
from vlad.records.summary_reading import read_summary


@dataclass(frozen=True, slots=True)
class Job:
    """The evaluation of the checkpoint of one step: its files, whoever asks."""

    folder: Path
    step: int

    @property
    def result(self) -> Path:
        return self.folder / f"step-{self.step:06d}.json"

    @property
    def run(self) -> Path:
        """Holds the folder of the run that evaluates."""
        return self.folder / f"step-{self.step:06d}.run"

    @property
    def is_begun(self) -> bool:
        return self.run.exists() or self.result.exists()

    def record(self) -> Evaluation | None:
        """The result, None before it is there."""
        try:
            return msgspec.json.decode(self.result.read_bytes(), type=Evaluation)
        except (OSError, msgspec.DecodeError):
            return None

    def episodes(self) -> tuple[int | None, int | None]:
        """How many of all are played; None while its run does not tell."""
        if (found := self._evaluating()) is None:
            return None, None
        directory, record = found
        summary = of_attempt(read_summary(directory).summary, record.current_attempt)
        return summary.phase_done, summary.phase_total

    def failure(self) -> str | None:
        """Why there will be no result; None while there may be one."""
        if (found := self._evaluating()) is None:
            return "its run is not there"
        directory, record = found
        if not record.state.is_final:
            return None
        return f"its run {directory.run_id} ended as {record.state} without a result; `vlad why {directory.run_id}`"

    def _evaluating(self) -> tuple[RunDirectory, RunRecord] | None:
        """The run that brings the result, while it is there."""
        try:
            directory = RunDirectory(Path(self.run.read_text()))
            return directory, directory.read_record()
        except (OSError, RecordError):
            return None
