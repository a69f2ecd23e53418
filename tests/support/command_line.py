"""The vlad command for tests: run within this process, and runs whose files tell a story that nobody lives."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from supervised_runs import Lab, Run
from vlad.cli import run as run_words
from vlad.records.files import JournalWriter
from vlad.records.outcome import Diagnosis, Exit
from vlad.records.progress import CheckpointSaved, Evaluation, ProgressLine
from vlad.records.run import AnyEvent, AttemptEnded, AttemptStarted, Moved, State, fold
from vlad.records.rundir import RunDirectory
from vlad.report import Reporter
from vlad.supervise.create import create_run

ELSEWHERE = "another-host"  # runs of other hosts are adopted by nobody here


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


class Vlad:
    """Runs command lines; the runs that they start are ended with the test."""

    def __init__(self, lab: Lab, capsys: "pytest.CaptureFixture[str]") -> None:
        self.lab = lab
        self._capsys = capsys

    def __call__(self, *words: str) -> Answer:
        self._capsys.readouterr()
        code = run_words(words)
        self.remember_runs()
        return Answer(code, *self._capsys.readouterr())

    def started(self, *words: str) -> Run:
        """The run that `vlad start` made."""
        answer = self("start", *words)
        assert answer.code == 0, answer.err
        return next(run for run in self.lab.runs if run.directory.run_id == answer.out.strip())

    def remember_runs(self) -> None:
        """Hands new runs to the lab, which ends them with the test."""
        known = {run.directory.run_id for run in self.lab.runs}
        new = [run_id for run_id in self.lab.home.run_ids() if run_id not in known]
        self.lab.runs += [Run(self.lab.home.run(run_id)) for run_id in new]


class Story:
    """Writes the files of a run as its supervisor and trainer would, without either."""

    def __init__(self, lab: Lab, name: str, created_at: float | None = None, **spec: Any) -> None:
        told = {"name": name, "host": ELSEWHERE, "created_at": created_at or time.time() - 100, **spec}
        run_id = time.strftime("%Y%m%d-%H%M", time.localtime(told["created_at"])) + f"-{name}-{len(lab.runs):04x}"
        self.run: RunDirectory = create_run(lab.home, msgspec.structs.replace(lab.spec("true"), run_id=run_id, **told))
        lab.runs.append(Run(self.run))

    def event(self, make: Callable[..., AnyEvent], **told: Any) -> "Story":
        record = self.run.read_record()
        event = make(seq=record.seq + 1, at=time.time(), **told)
        journal = JournalWriter(self.run.events)
        journal.append(msgspec.json.encode(event), durable=False)
        journal.close()
        self.run.write_record(fold(record, event))
        return self

    def attempt(self, log: bytes = b"") -> "Story":
        """An attempt runs."""
        record = self.run.read_record()
        number = (record.attempt.number if record.attempt else 0) + 1
        self.event(Moved, state=State.STARTING).event(AttemptStarted, number=number, argv=("true",))
        self.run.attempt(number).path.mkdir(parents=True)
        self.run.attempt(number).console.write_bytes(log)
        return self.event(Moved, state=State.RUNNING)

    def ended(self, diagnosis: Diagnosis | None = None, **how: Any) -> "Story":
        """The attempt ended; the run has not moved yet."""
        attempt = self.run.read_record().attempt
        assert attempt is not None
        return self.event(AttemptEnded, number=attempt.number, exit=Exit(at=time.time(), **how), diagnosis=diagnosis)

    def moved(self, state: State, **told: Any) -> "Story":
        self.event(Moved, state=state, **told)
        if state.is_final:
            self.run.home.mark_ended(self.run.run_id)
        return self

    def reported(self, *lines: ProgressLine | Evaluation) -> "Story":
        attempt = self.run.read_record().attempt
        with Reporter(self.run.path, attempt.number if attempt else 1) as reporter:
            for line in lines:
                if isinstance(line, Evaluation):
                    reporter.evaluation(line)
                else:
                    reporter.progress(line)
        return self


def saved(folder: Path, step: int, *, is_best: bool = False) -> CheckpointSaved:
    """A checkpoint that is there."""
    (folder / f"step-{step}").mkdir()
    return CheckpointSaved(at=time.time(), step=step, path=str(folder / f"step-{step}"), size_bytes=1, is_best=is_best)
