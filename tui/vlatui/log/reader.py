"""The thread that reads one log for the screen: looks, indexes, fetches lines, and tells by messages."""

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from textual.message import Message
from vlad.logs.content import LocalLog, LogContent

from vlatui.log.file import Change, Extent, LogFile
from vlatui.log.lines import ShownLine, shown_line
from vlatui.log.seeking import Found, Wanted, sought
from vlatui.look.words import tr

SLICE_BYTES = 32 * 1024 * 1024
TAIL_FIRST_BYTES = 16 * 1024 * 1024
TAIL_LINES = 256
RETELL_S = 0.1


class LogLooked(Message):
    """How far the log is indexed now; `tail` holds its last lines, the first of them line `first`.

    `is_provisional`: the index is still being made, so the tail stands alone and `first` means nothing.
    """

    def __init__(
        self, generation: int, extent: Extent, first: int, tail: tuple[ShownLine, ...], *, restarted: bool,
        is_provisional: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.generation = generation
        self.extent = extent
        self.first = first
        self.tail = tail
        self.restarted = restarted
        self.is_provisional = is_provisional


class LogFetched(Message):
    """Lines that were asked for, by number."""

    def __init__(self, generation: int, lines: dict[int, ShownLine]) -> None:
        super().__init__()
        self.generation = generation
        self.lines = lines


class LogSought(Message):
    """Where a moment is that was asked for; `found` is None where the log tells neither times nor steps."""

    def __init__(self, generation: int, found: Found | None) -> None:
        super().__init__()
        self.generation = generation
        self.found = found


class LogFailed(Message):
    """The log cannot be read; `words` say why."""

    def __init__(self, generation: int, words: str) -> None:
        super().__init__()
        self.generation = generation
        self.words = words


@dataclass(frozen=True, slots=True)
class _Open:
    generation: int
    path: Path


@dataclass(frozen=True, slots=True)
class _Look:
    pass


@dataclass(frozen=True, slots=True)
class _Fetch:
    generation: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Seek:
    generation: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


_Command = _Open | _Look | _Fetch | _Seek | _Stop


class LogReader:
    """Owns the file of one log at a time. `run` belongs to a thread; everything else may be called from any."""

    def __init__(self, tell: Callable[[Message], object], content_of: Callable[[Path], LogContent] = LocalLog) -> None:
        self._tell = tell
        self._content_of = content_of
        self._has_failed = False
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._file: LogFile | None = None
        self._generation = 0
        self._told_at = 0.0

    def open(self, path: Path, generation: int) -> None:
        self._commands.put(_Open(generation, path))

    def look(self) -> None:
        self._commands.put(_Look())

    def fetch(self, numbers: Sequence[int], generation: int) -> None:
        self._commands.put(_Fetch(generation, tuple(numbers)))

    def seek(self, wanted: Wanted, generation: int) -> None:
        """Looks for a moment, as soon as the whole log is indexed."""
        self._commands.put(_Seek(generation, wanted))

    def stop(self) -> None:
        self._commands.put(_Stop())

    def run(self) -> None:
        """Obeys until told to stop; indexes while nobody asks for anything."""
        while True:
            commands = self._waiting_commands(blocks=not self._has_more_to_index())
            if any(isinstance(command, _Stop) for command in commands):
                break
            try:
                self._obey(commands)
            except OSError as error:
                self._fail(error)
        self._close()

    def _fail(self, error: OSError) -> None:
        """The next look tries again."""
        path = self._file.path.name if self._file else tr("the log")
        self._has_failed = True
        self._tell(
            LogFailed(self._generation, tr("{file} cannot be read: {error}", file=path, error=error.strerror or error))
        )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _has_more_to_index(self) -> bool:
        return self._file is not None and not self._file.extent.is_complete and not self._has_failed

    def _waiting_commands(self, *, blocks: bool) -> list[_Command]:
        """All commands that wait; of several alike only the newest counts."""
        commands: list[_Command] = [self._commands.get()] if blocks else []
        while not self._commands.empty():
            commands.append(self._commands.get())
        newest = {type(command): command for command in commands}
        return [command for kind in (_Stop, _Open, _Look, _Fetch, _Seek) if (command := newest.get(kind)) is not None]

    def _obey(self, commands: list[_Command]) -> None:
        if not commands:
            self._index_on()
        for command in commands:
            match command:
                case _Open():
                    self._close()
                    self._generation = command.generation
                    self._file = LogFile(command.path, self._content_of(command.path))
                    self._look_at(self._file, is_first=True)
                case _Look() if self._file is not None:
                    self._look_at(self._file, is_first=False)
                case _Fetch() if self._file is not None and command.generation == self._generation:
                    self._tell(LogFetched(self._generation, _fetched(self._file, command.numbers)))
                case _Seek() if self._file is not None and command.generation == self._generation:
                    self._seek(self._file, command)

    def _seek(self, file: LogFile, command: _Seek) -> None:
        """Once the index is complete; until then it is asked for again after each slice of it."""
        if self._has_more_to_index():
            self._index_on()
            self._commands.put(command)
        else:
            self._tell(LogSought(self._generation, sought(file, command.wanted)))

    def _look_at(self, file: LogFile, *, is_first: bool) -> None:
        change = file.look()
        is_first, self._has_failed = is_first or self._has_failed, False
        if change is Change.SAME and not is_first:
            return
        restarted = change is Change.RESTARTED
        if (is_first or restarted) and file.extent.size_bytes > TAIL_FIRST_BYTES:
            self._tell_tail(file, restarted)
        file.index(SLICE_BYTES)
        if file.extent.is_complete or restarted:
            self._tell_extent(file, restarted)

    def _index_on(self) -> None:
        assert self._file is not None
        self._file.index(SLICE_BYTES)
        if self._file.extent.is_complete or time.monotonic() - self._told_at > RETELL_S:
            self._tell_extent(self._file, False)

    def _tell_tail(self, file: LogFile, restarted: bool) -> None:
        tail = tuple(shown_line(raw) for raw in file.tail()[-TAIL_LINES:])
        self._tell(
            LogLooked(self._generation, file.extent, 0, tail, restarted=restarted, is_provisional=True)
        )  # fmt: skip

    def _tell_extent(self, file: LogFile, restarted: bool) -> None:
        extent = file.extent
        first = max(0, extent.lines - TAIL_LINES)
        tail = tuple(shown_line(raw) for raw in file.read(first, TAIL_LINES)) if extent.is_complete else ()
        self._told_at = time.monotonic()
        self._tell(
            LogLooked(self._generation, extent, first, tail, restarted=restarted, is_provisional=not extent.is_complete)
        )


def _fetched(file: LogFile, numbers: Sequence[int]) -> dict[int, ShownLine]:
    """The lines with these numbers, neighbours read together."""
    lines: dict[int, ShownLine] = {}
    for _, group in groupby(enumerate(sorted(set(numbers))), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        lines.update(zip(run, map(shown_line, file.read(run[0], len(run))), strict=False))
    return lines
