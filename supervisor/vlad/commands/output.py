"""Where log bytes go: as they are into files and pipes, cleaned onto terminals."""

from typing import BinaryIO, Protocol, TextIO

from vlad.commands.text import terminal_columns, wants_colour
from vlad.records.terminal_text import clean_line, without_colour

ERASE_LINE = b"\r\x1b[K"
MOST_PARTIAL_BYTES = 256 * 1024
MOST_SHOWN_BYTES = 4096


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
