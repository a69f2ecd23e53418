"""Where things are: the home of all runs, and the names inside one run's folder."""

import os
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import msgspec

from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import (
    RecordError,
    append_line,
    home_folder,
    read_lines,
    replace_file,
    set_aside,
    sync_folder,
)
from vlad.records.history import LAST, RUN_ID, last_ended, name_in, newest_in
from vlad.records.parts import whole_of
from vlad.records.progress import Evaluation, ProgressLine, decode_evaluations, decode_progress
from vlad.records.requests import RESERVE
from vlad.records.run import STATE_SCHEMA, RunRecord, fold_all
from vlad.records.spec import SPEC_SCHEMA, RunSpec

MINUTE = len("YYYYmmdd-HHMM")


def default_home() -> Path:
    """`$VLAD_HOME`, else `$XDG_STATE_HOME/vlad`, else `~/.local/state/vlad`."""
    if chosen := os.environ.get("VLAD_HOME"):
        return Path(chosen).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "vlad"


class Home(msgspec.Struct, frozen=True):
    """The folder of all runs of one user on one host (or on a shared disk)."""

    path: Path

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def live(self) -> Path:
        return self.path / "live"

    @property
    def ended(self) -> Path:
        """The runs in the order in which they ended, appended by their supervisors: a line each.

        It has the run and the one that it was a part of, `-` for none.
        """
        return self.path / "ended"

    def prepare(self) -> "Home":
        """Makes the folders, mode 0700. Raises RecordError where they are not ours, or are for other things."""
        home_folder(self.path, (self.runs, self.live))
        return self

    def run(self, run_id: str) -> "RunDirectory":
        """Raises RecordError for what is no run id (a path, say)."""
        if not RUN_ID.fullmatch(run_id):
            raise RecordError(f"{run_id!r} is no run id; `vlad ls --all` lists them")
        return RunDirectory(self.runs / run_id)

    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        return _ids(self.runs)

    def live_ids(self) -> list[str]:
        """Runs that are not finished, oldest first; costs nothing for the finished ones."""
        return _ids(self.live)

    def newest_ended_ids(self, most: int | None = None, *, with_parts: bool = True) -> list[str]:
        """Runs that are not live, newest first: all of them, or the `most` that ended last, parts of others or not.

        The latter costs the same however long the history is: only the end of the list of ends is read. A home that
        has not kept that list for long enough is looked through.
        """
        live = set(self.live_ids())
        if most is None:
            return [run_id for run_id in reversed(self.run_ids()) if run_id not in live]

        def counts(run_id: str) -> bool:
            run = self.runs / run_id
            return run_id not in live and run.is_dir() and (with_parts or whole_of(run / "spec.json") is None)

        listed = last_ended(self.ended, most, counts)
        return sorted(listed, reverse=True) if len(listed) == most else newest_in(self.runs, most, counts)

    def mark_live(self, run_id: str) -> None:
        link = self.live / run_id
        if not link.is_symlink():
            link.symlink_to(Path("..") / "runs" / run_id)
            sync_folder(self.live)

    def mark_ended(self, run_id: str) -> None:
        """A list that cannot be written is no reason to keep a run that has ended among the live ones."""
        with suppress(OSError):
            append_line(self.ended, f"{run_id} {whole_of(self.runs / run_id / 'spec.json') or '-'}")
        (self.live / run_id).unlink(missing_ok=True)

    def find(self, wanted: str) -> "RunDirectory":
        """The run that `wanted` names: an id, a unique part of one, a name (the newest), or "last" (part of no other).

        Raises RecordError when none or several fit.
        """
        ids = self.run_ids()
        if not ids:
            raise RecordError(f"there are no runs in {self.path}; `vlad start` starts one")
        if wanted in ids:
            return self.run(wanted)
        if wanted == LAST:
            return self._last(ids)
        if named := [run_id for run_id in ids if name_in(run_id) == wanted]:
            return self._newest(named)
        fitting = [run_id for run_id in ids if wanted and wanted in run_id]
        if len(fitting) == 1:
            return self.run(fitting[0])
        if fitting:
            raise RecordError(f"{wanted!r} fits {len(fitting)} runs ({', '.join(fitting[-3:])}); name one of them")
        raise RecordError(f"no run fits {wanted!r}; `vlad ls --all` lists them")

    def _last(self, ids: list[str]) -> "RunDirectory":
        """The newest run that somebody started: evaluations beside it are newer."""
        for _, same in groupby(reversed(ids), key=lambda run_id: run_id[:MINUTE]):
            if own := [run_id for run_id in same if whole_of(self.run(run_id).spec) is None]:
                return self._newest(own)
        return self._newest(ids)

    def _newest(self, ids: list[str]) -> "RunDirectory":
        """The run that was made last; ids tell the minute, the immutable spec.json the rest."""
        last = [self.run(run_id) for run_id in ids if run_id[:MINUTE] == ids[-1][:MINUTE]]
        return max(last, key=lambda run: run.spec.stat().st_mtime_ns if run.spec.exists() else 0)


def _ids(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if RUN_ID.fullmatch(entry.name))
    except FileNotFoundError:
        return []


class RunDirectory(msgspec.Struct, frozen=True):
    """The files of one run; see docs/architecture.md for who writes which."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def home(self) -> Home:
        return Home(self.path.parent.parent)

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations.jsonl"

    @property
    def requests(self) -> Path:
        """From CLI and dashboard to the supervisor."""
        return self.path / "requests"

    @property
    def trainer_requests(self) -> Path:
        """From the supervisor to the trainer's rank 0."""
        return self.path / "trainer_requests"

    @property
    def lock(self) -> Path:
        """Liveness: locked as long as the keeper or any process of the job lives."""
        return self.path / "lock"

    @property
    def keeper_lock(self) -> Path:
        """Locked as long as a keeper or a supervisor lives: somebody looks after the run."""
        return self.path / "keeper.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Locked by the one writer of the journal."""
        return self.path / "supervisor.lock"

    @property
    def terminal_lock(self) -> Path:
        """Locked by the process that serves the run's terminal, where it has one."""
        return self.path / "terminal.lock"

    @property
    def terminal_socket(self) -> Path:
        """Where that process lets people attach."""
        return self.path / "terminal.sock"

    @property
    def supervisor_log(self) -> Path:
        """What keeper and supervisor say about themselves (a traceback, say)."""
        return self.path / "supervisor.log"

    @property
    def reserve(self) -> Path:
        """Space that is given back when the disk is full, so that the end of the run can still be recorded."""
        return self.path / RESERVE

    def attempt(self, number: int) -> "AttemptDirectory":
        return AttemptDirectory(self.path / "attempts" / str(number))

    def newest_attempt(self) -> "AttemptDirectory | None":
        """The folder of the last attempt, None where there was none."""
        try:
            numbers = [int(entry.name) for entry in (self.path / "attempts").iterdir() if entry.name.isdecimal()]
        except FileNotFoundError:
            return None
        return self.attempt(max(numbers)) if numbers else None

    def read_spec(self) -> RunSpec:
        """Raises RecordError for a spec that cannot be read."""
        try:
            spec = msgspec.json.decode(self.spec.read_bytes(), type=RunSpec)
        except (OSError, msgspec.DecodeError) as error:
            raise RecordError(f"{self.spec} cannot be read: {error}") from error
        if spec.schema > SPEC_SCHEMA:
            raise RecordError(f"{self.spec} was written by a newer vlad (schema {spec.schema}); upgrade this one")
        return spec

    def read_record(self) -> RunRecord:
        """What the run is now: state.json, or where that is missing or unreadable the journal's fold. Changes nothing.

        Raises RecordError when neither tells.
        """
        record = self._state_record()
        if record is None:
            record = fold_all(read_lines(self.events)[0])
        if record is None:
            raise RecordError(f"{self.path} has neither a readable state.json nor a journal; `vlad rm` removes it")
        return record

    def repaired_record(self) -> RunRecord:
        """Like read_record, for the one writer: an unreadable or outdated state.json is set aside and written anew."""
        told = fold_all(read_lines(self.events)[0])
        record = self._state_record()
        if record is not None and (told is None or record.seq >= told.seq):
            return record
        if told is None:
            raise RecordError(f"{self.path} has neither a readable state.json nor a journal; `vlad rm` removes it")
        if record is None and self.state.exists():
            set_aside(self.state)
        self.write_record(told)
        return told

    def _state_record(self) -> RunRecord | None:
        try:
            record = msgspec.json.decode(self.state.read_bytes(), type=RunRecord)
        except (OSError, msgspec.DecodeError):
            return None
        return record if record.schema <= STATE_SCHEMA and record.run_id == self.run_id else None

    def write_record(self, record: RunRecord, during: str = "") -> None:
        replace_file(self.state, msgspec.json.encode(record), during)

    def read_progress(self, offset: int = 0) -> tuple[list[ProgressLine], int]:
        """Progress lines from a byte offset, and the offset after them."""
        lines, end = read_lines(self.progress, offset)
        return decode_progress(lines), end

    def read_evaluations(self) -> list[Evaluation]:
        return decode_evaluations(read_lines(self.evaluations)[0])
