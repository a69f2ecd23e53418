"""Everything about one run as frozen values: curves, evaluations, journal, specification, logs. Read incrementally."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vlad.records.files import RecordError, read_lines
from vlad.records.foreign import ForeignJob
from vlad.records.progress import (
    CheckpointSaved,
    Evaluation,
    ProgressLine,
    Step,
    decode_evaluations,
    decode_progress,
)
from vlad.records.run import AnyEvent, decode_event
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec

from vlatui.look.words import tr
from vlatui.reading.series import Curve, GrowingCurve
from vlatui.reading.under_way import UnderWay, followed, without_result

MOST_RANK_FILES = 256
ATTEMPT = "attempt {number}"
PIECE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogSource:
    """A log file that can be shown, and what to call it. One that lies outside the run's folder is not watched."""

    label: str
    path: Path
    attempt: int
    is_console: bool = True
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run in full. `spec` is None where it cannot be read; `logs` are oldest first, consoles before rank files.

    `under_way` is the evaluation that goes on, or was going on when the run last told something.
    """

    run_id: str
    spec: RunSpec | None = None
    evaluations: tuple[Evaluation, ...] = ()
    under_way: UnderWay | None = None
    events: tuple[AnyEvent, ...] = ()
    curves: dict[str, Curve] = field(default_factory=dict)
    checkpoints: tuple[CheckpointSaved, ...] = ()
    logs: tuple[LogSource, ...] = ()


class DetailReader:
    """Looks at one run again and again; remembers how far it read. Used by one thread."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._forget()
        self._spec: RunSpec | None = None
        self._mark: object = None

    def _forget(self) -> None:
        self._curves: dict[str, GrowingCurve] = {}
        self._checkpoints: list[CheckpointSaved] = []
        self._evaluations: list[Evaluation] = []
        self._under_way: UnderWay | None = None
        self._events: list[AnyEvent] = []
        self._progress_end = self._evaluations_end = self._events_end = 0

    def read(self) -> RunDetail | None:
        """The run now; None where nothing changed since the last look."""
        self._read_progress()
        self._read_evaluations()
        self._read_events()
        logs = log_sources(self.run)
        mark = (self._progress_end, self._evaluations_end, self._events_end, logs)
        if mark == self._mark:
            return None
        self._mark = mark
        return RunDetail(
            run_id=self.run.run_id,
            spec=self._read_spec(),
            evaluations=tuple(self._evaluations),
            under_way=without_result(self._under_way, self._evaluations),
            events=tuple(self._events),
            curves={name: growing.curve() for name, growing in self._curves.items()},
            checkpoints=tuple(self._checkpoints),
            logs=logs,
        )

    def _read_progress(self) -> None:
        """Piece by piece: a long run's file would fill the memory."""
        while True:
            lines, end = read_lines(self.run.progress, self._progress_end, PIECE_BYTES)
            if end < self._progress_end:
                self._forget()
            elif end == self._progress_end:
                return
            self._progress_end = end
            for line in decode_progress(lines):
                self._add(line)

    def _add(self, line: ProgressLine) -> None:
        self._under_way = followed(self._under_way, line)
        if isinstance(line, Step):
            for name, value in metrics_of(line).items():
                self._curves.setdefault(name, GrowingCurve()).add(line.step, line.at, value)
        elif isinstance(line, CheckpointSaved):
            self._checkpoints.append(line)

    def _read_evaluations(self) -> None:
        lines, end = read_lines(self.run.evaluations, self._evaluations_end)
        if end < self._evaluations_end:
            self._evaluations.clear()
        self._evaluations_end = end
        self._evaluations += decode_evaluations(lines)

    def _read_events(self) -> None:
        lines, self._events_end = read_lines(self.run.events, self._events_end)
        self._events += (event for line in lines if (event := decode_event(line)) is not None)

    def _read_spec(self) -> RunSpec | None:
        if self._spec is None:
            try:
                self._spec = self.run.read_spec()
            except RecordError:
                return None
        return self._spec


def metrics_of(step: Step) -> dict[str, float]:
    """Everything a step reports that can be drawn, by the name shown."""
    own = {
        "loss": step.loss,
        "learning rate": step.learning_rate,
        "samples/s": step.samples_per_s,
        "step time": step.step_s,
        "memory": None if step.memory_bytes is None else float(step.memory_bytes),
    }
    return {name: value for name, value in own.items() if value is not None} | step.metrics


def log_sources(run: RunDirectory) -> tuple[LogSource, ...]:
    """The console of each attempt, and the files that torchrun writes for each rank."""
    attempts = sorted(int(path.name) for path in _children(run.path / "attempts") if path.name.isdigit())
    sources = []
    for number in attempts:
        attempt = run.attempt(number)
        sources.append(
            LogSource(tr(ATTEMPT, number=number), attempt.console, number, is_outside=attempt.console.is_symlink())
        )
        ranks = sorted(path for path in attempt.ranks.rglob("*") if path.is_file()) if attempt.ranks.is_dir() else []
        for path in ranks[:MOST_RANK_FILES]:
            label = f"{tr(ATTEMPT, number=number)} · {path.relative_to(attempt.ranks)}"
            sources.append(LogSource(label, path, number, is_console=False))
    return tuple(sources)


def foreign_logs(job: ForeignJob, path_of: Callable[[str], Path] = Path) -> tuple[LogSource, ...]:
    """The log of a training that vlad did not start, where one was found; `path_of` says how to open it here."""
    name = tr("log of process {pid}", pid=job.process.pid)
    return (LogSource(name, path_of(job.log), 1, is_outside=True),) if job.log else ()


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
