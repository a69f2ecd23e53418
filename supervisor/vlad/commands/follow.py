"""Follows the log of a run across its attempts, until the run has ended."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from vlad.commands.command import say
from vlad.commands.outcome import in_words
from vlad.commands.text import terminal_columns, wants_colour
from vlad.records.run import RunRecord, State
from vlad.records.rundir import RunDirectory
from vlad.records.terminal_text import clean_line, without_colour
from vlad.supervise.adopt import adopt_orphans

POLL_S = 0.2
ADOPT_S = 3.0
CHUNK_BYTES = 256 * 1024
ERASE_LINE = b"\r\x1b[K"
MOST_PARTIAL_BYTES = 256 * 1024
MOST_SHOWN_BYTES = 4096
BLOCK_BYTES = 64 * 1024


class Output(Protocol):
    """Where log bytes go."""

    def write(self, content: bytes) -> None: ...

    def hide(self) -> None:
        """Something else is about to be printed."""

    def end(self) -> None:
        """No more of this log comes."""


class RawOutput:
    """For files and pipes: every byte as it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, content: bytes) -> None:
        self._stream.write(content)
        self._stream.flush()

    def hide(self) -> None:
        pass

    def end(self) -> None:
        pass


class TerminalOutput:
    """For terminals: cleaned lines; an unfinished line (a progress bar) is shown and overwritten as it grows."""

    def __init__(self, stream: BinaryIO, columns: int, *, colour: bool) -> None:
        self._stream = stream
        self._columns = columns
        self._colour = colour
        self._partial = b""
        self._shown = False

    def write(self, content: bytes) -> None:
        *lines, partial = (self._partial + content).split(b"\n")
        self._partial = partial[-MOST_PARTIAL_BYTES:]
        self.hide()
        for line in lines:
            self._stream.write(self._cleaned(line).encode() + b"\n")
        self._show(without_colour(clean_line(partial[-MOST_SHOWN_BYTES:])))
        self._stream.flush()

    def end(self) -> None:
        """What was never ended by a newline stays on the screen."""
        self.hide()
        if self._partial:
            self._stream.write(self._cleaned(self._partial).encode() + b"\n")
        self._partial = b""
        self._stream.flush()

    def _cleaned(self, line: bytes) -> str:
        return clean_line(line) if self._colour else without_colour(clean_line(line))

    def hide(self) -> None:
        if self._shown:
            self._stream.write(ERASE_LINE)
        self._shown = False

    def _show(self, partial: str) -> None:
        if partial:
            self._stream.write(partial[: self._columns - 1].encode())
            self._shown = True


def output_to(stream: TextIO) -> Output:
    """The output that fits what `stream` is."""
    if not stream.isatty():
        return RawOutput(stream.buffer)
    return TerminalOutput(stream.buffer, terminal_columns(stream) or 80, colour=wants_colour(stream))


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
        if known is not None and record.state is not known.state:
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


def _tell(record: RunRecord, output: Output) -> None:
    if record.state in (State.BACKOFF, State.STOPPING):
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
