"""Follows the log of a run across its attempts, until the run has ended."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vlad.commands.command import say
from vlad.commands.outcome import in_words
from vlad.commands.output import Output
from vlad.records.run import RunRecord, State
from vlad.records.rundir import RunDirectory
from vlad.supervise.adopt import adopt_orphans

POLL_S = 0.2
ADOPT_S = 3.0
CHUNK_BYTES = 256 * 1024
BLOCK_BYTES = 64 * 1024


def tail_offset(path: Path, lines: int) -> int:
    """Where the last `lines` lines of a file begin, in bytes; reads backwards, no more than it must."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            if end and lines and _read_at(file, end - 1, end) == b"\n":
                end -= 1  # this newline ends the last line, it begins none
            while end and lines:
                start = max(0, end - BLOCK_BYTES)
                end, lines = _newline_before(_read_at(file, start, end), start, lines)
            return end
    except FileNotFoundError:
        return 0


def _newline_before(block: bytes, start: int, lines: int) -> tuple[int, int]:
    """Walks back over `lines` newlines of a block at `start`: the place after the last, and how many are missing."""
    place = len(block)
    while (place := block.rfind(b"\n", 0, place)) >= 0:
        lines -= 1
        if lines == 0:
            return start + place + 1, 0
    return start, lines


def _read_at(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


@dataclass(slots=True)
class LogFollower:
    """Reads a file as it grows; a truncated or replaced one from its start."""

    path: Path
    offset: int = 0
    inode: int | None = None

    def copy_new(self, output: Output) -> bool:
        """Copies what was appended since the last call; False where that was nothing."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self.offset or self.inode not in (None, found.st_ino):
                    self.offset = 0
                self.inode = found.st_ino
                file.seek(self.offset)
                return self._copied(file, output)
        except FileNotFoundError:
            return False

    def _copied(self, file: BinaryIO, output: Output) -> bool:
        before = self.offset
        while content := file.read(CHUNK_BYTES):
            output.write(content)
            self.offset += len(content)
        return self.offset != before


@dataclass(slots=True)
class Watch:
    """Waits for something to happen to a run; should its whole guard be killed meanwhile, it gets a new one."""

    run: RunDirectory
    adopt_at: float = 0.0

    def pause(self) -> None:
        now = time.monotonic()
        if now >= self.adopt_at:
            adopt_orphans(self.run.home)
            self.adopt_at = now + ADOPT_S
        time.sleep(POLL_S)


def follow_run(run: RunDirectory, attempt: int, offset: int, output: Output, after_seq: int = 0) -> RunRecord:
    """Copies the log of `attempt` from `offset`, then those of later attempts, until the run has ended: that record.

    An end that was on record by `after_seq` does not count: the run was resumed after it.
    """
    follower = LogFollower(run.attempt(attempt).console, offset)
    known: RunRecord | None = None
    watch = Watch(run)
    while True:
        record = run.read_record()
        moved = follower.copy_new(output)
        if _is_news(record, known):
            _tell(record, output)
        known = record
        newest = record.attempt.number if record.attempt else attempt
        if newest > attempt and not moved:
            attempt += 1
            output.end()
            say(f"{run.run_id}: attempt {attempt}")
            follower = LogFollower(run.attempt(attempt).console)
        elif record.state.is_final and record.seq > after_seq and not moved:
            output.end()
            return record
        elif not moved:
            watch.pause()


def _is_news(record: RunRecord, known: RunRecord | None) -> bool:
    if record.queue is not None:
        return known is None or record.queue != known.queue
    return known is not None and record.state is not known.state


def _tell(record: RunRecord, output: Output) -> None:
    if record.state in (State.QUEUED, State.BACKOFF, State.STOPPING):
        output.hide()
        say(f"{record.run_id} {record.state}: {record.why}")


def follow_until_end(
    run: RunDirectory, attempt: int, offset: int, output: Output, after_seq: int = 0
) -> RunRecord | None:
    """Like follow_run; None where the user detached by Ctrl-C: the run goes on. Says which of the two it was."""
    try:
        record = follow_run(run, attempt, offset, output, after_seq)
    except KeyboardInterrupt:
        output.hide()
        say(f"detached; the run goes on: `vlad logs -f {run.run_id}` follows it, `vlad stop {run.run_id}` stops it")
        return None
    say(in_words(record))
    return record


def wait_until_ended(run: RunDirectory, deadline: float | None = None) -> RunRecord | None:
    """The record of the ended run; None where it has not ended by `deadline` (of the monotonic clock)."""
    watch = Watch(run)
    while True:
        record = run.read_record()
        if record.state.is_final:
            return record
        if deadline is not None and time.monotonic() >= deadline:
            return None
        watch.pause()
