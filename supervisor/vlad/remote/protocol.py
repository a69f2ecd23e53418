"""What is asked and answered between a dashboard and `vlad serve`: frozen values and nothing else.

A change that an older program would misread raises PROTOCOL; fields may be added with a default.
"""

import msgspec

from vlad.host.neighbours import HostView
from vlad.host.run_processes import RunProcess
from vlad.records.home_view import NO_PARTS, PartsWanted, RunView

PROTOCOL = 1
START_BYTES = 512
MOST_READ_BYTES = 1024 * 1024
MOST_PIECE_BYTES = 4 * 1024 * 1024
MOST_ARGUMENTS = 256
MOST_ARGUMENT_CHARACTERS = 8192


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The server's first message: who it is. A client of another protocol hangs up."""

    protocol: int
    version: str
    host: str
    user: str
    home: str


class FileMark(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run's file the asker has: `name` is relative to the run's folder."""

    name: str
    inode: int
    mtime_ns: int
    size_bytes: int


class FilePiece(msgspec.Struct, frozen=True, kw_only=True):
    """A file's content from byte `offset`; `mark` is what the asker has once it is written."""

    mark: FileMark
    offset: int
    content: bytes


class LogSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A log of a run: `name` is relative to the run's folder."""

    name: str
    size_bytes: int


# asked


class LookAtRuns(msgspec.Struct, frozen=True, kw_only=True, tag="runs"):
    """All runs (`is_first`), else what changed since the last look in this session; of ended parts those wanted."""

    is_first: bool = False
    parts: PartsWanted = NO_PARTS


class LookAtHost(msgspec.Struct, frozen=True, kw_only=True, tag="host"):
    """The host's GPUs and the trainings that vlad did not start."""


class LookAtProcesses(msgspec.Struct, frozen=True, kw_only=True, tag="processes"):
    run_id: str


class ReadFiles(msgspec.Struct, frozen=True, kw_only=True, tag="files"):
    """The records of a run, as far as the asker does not have them."""

    run_id: str
    marks: tuple[FileMark, ...] = ()


class LogName(msgspec.Struct, frozen=True, kw_only=True):
    """A log of a run, or (without `run_id`) the one of a listed training that vlad did not start."""

    run_id: str = ""
    name: str


class LookAtLog(msgspec.Struct, frozen=True, kw_only=True, tag="log"):
    log: LogName


class ReadLog(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """Up to 1 MiB from a byte offset."""

    log: LogName
    offset: int
    count: int


class CountLines(msgspec.Struct, frozen=True, kw_only=True, tag="count"):
    """The newlines in each 256 KiB from byte `offset`, a multiple of that, up to byte `end`."""

    log: LogName
    offset: int
    end: int


class SearchLog(msgspec.Struct, frozen=True, kw_only=True, tag="search"):
    """The lines that match; a search that still goes on in this session is given up."""

    log: LogName
    pattern: str


class Act(msgspec.Struct, frozen=True, kw_only=True, tag="act"):
    """A verb of vlad with its arguments."""

    arguments: tuple[str, ...]


Ask = LookAtRuns | LookAtHost | LookAtProcesses | ReadFiles | LookAtLog | ReadLog | CountLines | SearchLog | Act


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question with the number that its answer will bear."""

    number: int
    ask: Ask


# answered


class RunsSeen(msgspec.Struct, frozen=True, kw_only=True, tag="runs"):
    """`order` lists all runs; `changed` holds those that are new or changed since the last look."""

    order: tuple[str, ...]
    changed: tuple[RunView, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    has_older: bool = False


class HostSeen(msgspec.Struct, frozen=True, kw_only=True, tag="host"):
    view: HostView


class ProcessesSeen(msgspec.Struct, frozen=True, kw_only=True, tag="processes"):
    processes: tuple[RunProcess, ...]


class FilesRead(msgspec.Struct, frozen=True, kw_only=True, tag="files"):
    """`has_more`: the bound of one answer is reached; ask again."""

    pieces: tuple[FilePiece, ...]
    logs: tuple[LogSeen, ...]
    has_more: bool = False


class LogLooked(msgspec.Struct, frozen=True, kw_only=True, tag="log"):
    """A log now; without an inode there is none. `start` are its first bytes: they betray one written anew."""

    inode: int | None
    size_bytes: int = 0
    start: bytes = b""


class LogRead(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    content: bytes


class LinesCounted(msgspec.Struct, frozen=True, kw_only=True, tag="count"):
    """Newlines of each block read, the last one perhaps a part; `ends_open`: the last byte is no newline."""

    newlines: tuple[int, ...]
    read_bytes: int
    ends_open: bool


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="search"):
    """The numbers of matching lines as an array of unsigned 64-bit integers, little-endian."""

    lines: bytes
    is_complete: bool


class Acted(msgspec.Struct, frozen=True, kw_only=True, tag="act"):
    """How the verb ended and what it printed (each cut to its last Mi characters)."""

    code: int
    output: str
    errors: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """What was asked cannot be done; the words say why."""

    words: str


Reply = (
    RunsSeen | HostSeen | ProcessesSeen | FilesRead | LogLooked | LogRead | LinesCounted | Found | Acted | Refused
)  # fmt: skip


class Replied(msgspec.Struct, frozen=True, kw_only=True, tag="reply"):
    """The answer to the question of this number."""

    number: int
    reply: Reply


FromServer = Hello | Replied
