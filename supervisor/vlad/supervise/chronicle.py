"""The journal of a run and the state that it tells: appended first, then folded, then written. One process holds it."""

import os
import time
from typing import TypedDict

import msgspec

from vlad.records import failpoints
from vlad.records.files import JournalWriter, RecordError, read_lines
from vlad.records.run import AnyEvent, Moved, Requested, RunRecord, decode_event, fold
from vlad.records.rundir import RunDirectory
from vlad.supervise import locks

LOCK_PATIENCE_S = 5.0


class Stamp(TypedDict):
    """What every event carries."""

    seq: int
    at: float


class Chronicle:
    """Owns events.jsonl and state.json of a run, by a lock: there is never a second writer.

    An event counts once it is on the disk; a state.json that could not be written is tried again by `flush`.
    """

    def __init__(self, run: RunDirectory) -> None:
        """Repairs state.json from the journal where needed. Raises RecordError where another process writes."""
        self._run = run
        self._lock = locks.open_lock(run.supervisor_lock)
        if not locks.lock_within(self._lock, LOCK_PATIENCE_S):
            os.close(self._lock)
            raise RecordError(f"{run.path} is already written by another supervisor")
        self.record = run.repaired_record()
        self.consumed = _consumed_requests(run)
        self._journal: JournalWriter | None = None
        self._is_state_written = True
        self._event_name = ""

    def stamp(self) -> Stamp:
        """For the next event."""
        return {"seq": self.record.seq + 1, "at": time.time()}

    def append(self, event: AnyEvent) -> RunRecord:
        """Journals an event; returns the run after it. Raises OSError, with nothing changed, where the disk refuses."""
        told = fold(self.record, event)
        self._event_name = event.state if isinstance(event, Moved) else str(event.__struct_config__.tag)
        failpoints.reach(f"journal.before.{self._event_name}")
        self._write(msgspec.json.encode(event))
        failpoints.reach(f"journal.after.{self._event_name}")
        self.record = told
        if isinstance(event, Requested):
            self.consumed.add(event.request_id)
        self._is_state_written = False
        self.flush()
        return self.record

    def _write(self, line: bytes) -> None:
        """A writer that failed is given up: the next one ends the torn line that it may have left."""
        journal = self._journal or JournalWriter(self._run.events)
        self._journal = None
        try:
            journal.append(line, durable=True, during=f"journal.during.{self._event_name}")
        except OSError:
            journal.close()
            raise
        self._journal = journal

    def flush(self) -> bool:
        """Writes state.json where it is behind the journal; False where the disk refuses, for another time."""
        if self._is_state_written:
            return True
        try:
            failpoints.reach(f"state.before.{self._event_name}")
            self._run.write_record(self.record, during=f"state.during.{self._event_name}")
        except OSError:
            return False
        self._is_state_written = True
        failpoints.reach(f"state.after.{self._event_name}")
        return True

    def close(self) -> None:
        """Lets another process write."""
        if self._journal is not None:
            self._journal.close()
        os.close(self._lock)


def _consumed_requests(run: RunDirectory) -> set[str]:
    events = (decode_event(line) for line in read_lines(run.events)[0])
    return {event.request_id for event in events if isinstance(event, Requested)}
