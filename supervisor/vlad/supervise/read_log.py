"""Reports for programs that do not report themselves: their log is parsed into the run's progress and evaluations."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from vlad.parsers.lines import complete_end, facts_of
from vlad.parsers.own_patterns import compiled
from vlad.parsers.reading import COUNTS_ONLY, Circumstances, Reading, Record, ended, read
from vlad.policy.early_stop import EarlyStopPolicy
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import JournalWriter, private_folder, read_lines, replace_file
from vlad.records.progress import Evaluation
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec
from vlad.supervise.remarks import remark

PIECE_BYTES = 1 << 18
PIECES_AT_ONCE = 16
MISSING = -1


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """reading.json of an attempt: how far its log is read, and how large that has made the run's two files.

    A size of -1 is a missing file: a program that reports itself makes both before it has anything to say.
    """

    offset: int = 0
    sizes: tuple[int, ...] = ()
    is_finished: bool = False
    gave_way: bool = False
    reading: Reading = Reading()


class LogReader:
    """Writes progress.jsonl and evaluations.jsonl of one attempt, until the program turns out to write them itself.

    Parsing is repeatable: a reader that starts where another was killed counts what that one had written and goes on.
    """

    def __init__(self, run: RunDirectory, spec: RunSpec, attempt: int) -> None:
        self.attempt = attempt
        self._run = run
        self._folder = run.attempt(attempt)
        self._log = self._folder.console
        self._ranks = spec.nproc or 1
        self._early_stop = early_stop_policy(spec)
        self._own = compiled(spec.log_patterns)
        self._files = (run.progress, run.evaluations)
        self._place = self._read_place()
        self._surplus = [
            len(read_lines(path, max(0, size))[0]) for path, size in zip(self._files, self._place.sizes, strict=True)
        ]
        self._sizes = self._file_sizes()

    def read_new(self, at: float) -> bool:
        """Reads what the log has more by now; True when there is still more. Raises OSError where the disk refuses."""
        for _ in range(PIECES_AT_ONCE):
            if self._place.is_finished or self._gives_way() or not self._read_piece(at):
                return False
        return True

    def finish(self, at: float, *, succeeded: bool) -> None:
        """Reads the rest, when the program has ended."""
        while self.read_new(at):
            pass
        if self._place.is_finished or self._place.gave_way:
            return
        now = self._circumstances(at)
        reading, records = ended(self._place.reading, now) if succeeded else (self._place.reading, ())
        self._write(records, self._place.offset, reading)
        self._save(msgspec.structs.replace(self._place, is_finished=True))

    def _read_piece(self, at: float) -> bool:
        offset, content = self._next_piece()
        if not content:
            return False
        reading, now = self._place.reading, self._circumstances(at)
        records: list[Record] = []
        for fact in facts_of(content, self._own):
            reading, made = read(reading, fact, now)
            records += made
        self._write(records, offset + len(content), reading)
        return True

    def _next_piece(self) -> tuple[int, bytes]:
        """Complete lines that are new, and where they begin; a log that was cut is read anew from its start."""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, 2)
                offset = self._place.offset if self._place.offset <= size else 0
                file.seek(offset)
                content = file.read(PIECE_BYTES)
        except OSError:
            return 0, b""
        is_endless = len(content) == PIECE_BYTES and complete_end(content) == 0
        return offset, content if is_endless else content[: complete_end(content)]

    def _circumstances(self, at: float) -> Circumstances:
        log = str(self._log.resolve())
        return Circumstances(at=at, attempt=self.attempt, ranks=self._ranks, early_stop=self._early_stop, log=log)

    def _write(self, records: Sequence[Record], offset: int, reading: Reading) -> None:
        """Appends records that are not there yet; how far the log is read counts once all of them are."""
        evaluations = [record for record in records if isinstance(record, Evaluation)]
        progress = [record for record in records if not isinstance(record, Evaluation)]
        self._append(0, progress)
        self._append(1, evaluations)
        place = msgspec.structs.replace(self._place, offset=offset, reading=reading, sizes=self._sizes)
        if records:
            self._save(place)
        self._place = place
        self._surplus = [0, 0]

    def _append(self, which: int, records: Sequence[Record]) -> None:
        new = records[self._surplus[which] :]
        if not new:
            return
        journal = JournalWriter(self._files[which])
        try:
            for record in new:
                journal.append(msgspec.json.encode(record), durable=isinstance(record, Evaluation))
                self._surplus[which] += 1
        finally:
            journal.close()
            self._sizes = self._file_sizes()

    def _gives_way(self) -> bool:
        """There is one writer: who finds the files made or grown by another writes no more."""
        if not self._place.gave_way and self._file_sizes() != self._sizes:
            remark("the program reports itself: its log is not read any further")
            self._save(msgspec.structs.replace(self._place, gave_way=True))
        return self._place.gave_way

    def _file_sizes(self) -> tuple[int, ...]:
        return tuple(path.stat().st_size if path.exists() else MISSING for path in self._files)

    def _save(self, place: Place) -> None:
        private_folder(self._folder.path)
        replace_file(_place_file(self._folder), msgspec.json.encode(place))
        self._place = place

    def _read_place(self) -> Place:
        """Where the reader before was, else the start, with what the attempts before have told."""
        if (found := _saved_place(self._folder)) is not None:
            return found
        before = _saved_place(self._run.attempt(self.attempt - 1))
        last = before.reading if before else Reading()
        counted = Reading(best=last.best, best_step=last.best_step, bad_evaluations=last.bad_evaluations)
        place = Place(sizes=self._file_sizes(), gave_way=before is not None and before.gave_way, reading=counted)
        self._save(place)
        return place


def early_stop_policy(spec: RunSpec) -> EarlyStopPolicy:
    """What was asked for, else one that only counts."""
    wish = spec.early_stop
    return COUNTS_ONLY if wish is None else EarlyStopPolicy(patience=wish.patience, min_delta=wish.min_delta)


def _place_file(attempt: AttemptDirectory) -> Path:
    return attempt.path / "reading.json"


def _saved_place(attempt: AttemptDirectory) -> Place | None:
    try:
        return msgspec.json.decode(_place_file(attempt).read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError):
        return None
