"""What a training program calls to be followed: writes progress.jsonl and evaluations.jsonl of its run."""

import os
from pathlib import Path
from types import TracebackType

import msgspec

from vlad.records import failpoints
from vlad.records.files import JournalWriter
from vlad.records.progress import Evaluation, ProgressLine
from vlad.records.requests import Request, pending_requests
from vlad.records.rundir import RunDirectory

RUN_DIRECTORY_VARIABLE = "VLAD_RUN_DIR"
RUN_ID_VARIABLE = "VLAD_RUN_ID"
ATTEMPT_VARIABLE = "VLAD_ATTEMPT"


def answer_stack_requests() -> bool:
    """Lets `vlad stacks` and the hang detection see where this process is, also while it waits in native code.

    To be called in every rank, at its start, in the main thread. False where there is no run, or the program uses the
    signal SIGRTMIN+8 itself.
    """
    directory = os.environ.get(RUN_DIRECTORY_VARIABLE)
    if not directory:
        return False
    from vlad.host.stack_signal import register

    return register(RunDirectory(Path(directory)).attempt(int(os.environ.get(ATTEMPT_VARIABLE, "1"))).stacks)


class Reporter:
    """The one writer of a run's progress files; use it in rank 0 only. Without a run it writes nowhere.

    Reporting never stops training: a full disk makes `lost_lines` count up instead of raising.
    """

    def __init__(self, directory: Path | None, attempt: int = 1) -> None:
        self.attempt = attempt
        self.lost_lines = 0
        self._run = RunDirectory(directory) if directory else None
        self._progress = JournalWriter(self._run.progress) if self._run else None
        self._evaluations = JournalWriter(self._run.evaluations) if self._run else None

    @classmethod
    def from_environment(cls) -> "Reporter":
        """The run named by VLAD_RUN_DIR and VLAD_ATTEMPT, which the supervisor sets; none when they are not set."""
        directory = os.environ.get(RUN_DIRECTORY_VARIABLE)
        answer_stack_requests()
        return cls(Path(directory) if directory else None, int(os.environ.get(ATTEMPT_VARIABLE, "1")))

    def progress(self, line: ProgressLine, *, durable: bool = False) -> None:
        """Appends one line; `durable` for what must survive a power cut (a saved checkpoint)."""
        self._append(self._progress, msgspec.structs.replace(line, attempt=self.attempt), durable)

    def evaluation(self, evaluation: Evaluation) -> None:
        self._append(self._evaluations, msgspec.structs.replace(evaluation, attempt=self.attempt), True)

    def has_told(self, evaluation: Evaluation) -> bool:
        """Whether this very measurement is on record, told by an attempt that died before it could save that it was."""
        known = self._run.read_evaluations() if self._run else []
        return any((one.step, one.at) == (evaluation.step, evaluation.at) for one in known)

    def _append(self, journal: JournalWriter | None, line: msgspec.Struct, durable: bool) -> None:
        if journal is None:
            return
        try:
            failpoints.reach("report.before")
            journal.append(msgspec.json.encode(line), durable=durable, during="report.during")
            failpoints.reach("report.after")
        except OSError:
            self.lost_lines += 1

    def requests(self) -> list[Request]:
        """What the supervisor asks of this program now, oldest first. Answer each once with a RequestDone line."""
        return [request for _, request in pending_requests(self._run.trainer_requests)] if self._run else []

    def close(self) -> None:
        for journal in (self._progress, self._evaluations):
            if journal is not None:
                journal.close()

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
