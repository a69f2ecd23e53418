"""Files that survive a crash: atomic replacement, append-only journals, and refusal of what is not ours."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from vlad.records import failpoints

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


class RecordError(Exception):
    """A record or folder that cannot be used: the message says what, where and what to do."""


def replace_file(path: Path, content: bytes | memoryview, during: str = "") -> None:
    """Replaces `path` as a whole: readers see the old content or the new, never a part, also after a power cut.

    Written aside in the same folder, fsynced, renamed, and the folder fsynced. Mode 0600. `during` names the failpoint
    between the two.
    Raises OSError (ENOSPC included) with the old content untouched and nothing left aside.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        write_new(aside, content)
        failpoints.reach(during)
        aside.rename(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_new(path: Path, content: bytes | memoryview) -> None:
    """Writes a file that nobody reads yet, and fsyncs it. Follows no symlink; mode 0600."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, PRIVATE_FILE)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, content: bytes | memoryview) -> None:
    """Writes every byte: os.write may take only a part."""
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class JournalWriter:
    """The one writer of an append-only JSON-lines file; owns its descriptor.

    A torn last line left by a crash is ended by a newline before the first append, so that it spoils nothing after it.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._handle = os.open(path, flags, PRIVATE_FILE)
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            write_all(self._handle, b"\n")

    def append(self, line: bytes, *, durable: bool, during: str = "") -> None:
        """Appends one JSON document as a line; `durable` waits until it is on the disk.

        `during` names the failpoint at which half of the line is written.
        """
        half = len(line) // 2 if failpoints.is_wanted(during) else 0
        write_all(self._handle, line[:half])
        failpoints.reach(during)
        write_all(self._handle, line[half:] + b"\n")
        if durable:
            os.fdatasync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


def read_lines(path: Path, offset: int = 0, limit: int = -1) -> tuple[list[bytes], int]:
    """Complete lines of a journal from byte `offset`, and the offset after them. A missing file is empty.

    A file that shrank below `offset` is read from its start. With a `limit`, lines of about so many bytes at most.
    """
    try:
        with path.open("rb") as file:
            if offset > os.fstat(file.fileno()).st_size:
                offset = 0
            file.seek(offset)
            content = file.read(limit)
            if 0 <= limit <= len(content):
                content += file.readline()
    except FileNotFoundError:
        return [], 0
    end = content.rfind(b"\n") + 1
    return [line for line in content[:end].split(b"\n") if line], offset + end


def append_line(path: Path, line: str) -> None:
    """Appends a short line to a file that several processes append to. Mode 0600; follows no symlink."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def last_lines(path: Path, piece_bytes: int = 4096) -> Iterator[str]:
    """The complete lines of a file, the last one first; what is not asked for is not read. A missing file has none."""
    try:
        with path.open("rb") as file:
            start, rest = file.seek(0, os.SEEK_END), b""
            while start:
                start, before = max(0, start - piece_bytes), start
                file.seek(start)
                whole = file.read(before - start) + rest
                rest, *lines = whole.split(b"\n")
                yield from (line.decode(errors="replace") for line in reversed(lines) if line)
            if rest:
                yield rest.decode(errors="replace")
    except OSError:
        return


def private_folder(path: Path) -> Path:
    """Makes `path` a folder that only we can enter, or refuses it.

    Raises RecordError where it is a symlink, no folder, or somebody else's; a looser mode of our own is tightened.
    """
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise RecordError(f"cannot make the folder {path}: {error.strerror}; choose another with VLAD_HOME") from error
    _refuse_others(path, found)
    if stat.S_IMODE(found.st_mode) != PRIVATE_FOLDER:
        path.chmod(PRIVATE_FOLDER)
    return path


def home_folder(path: Path, rooms: Collection[Path]) -> None:
    """Makes a folder that a user has named, and the rooms in it, as `private_folder` does.

    A folder that others can look into is closed to them only where it is empty, or has all rooms already: it may be
    `/data`. Raises RecordError for another one, and leaves it as it is.
    """
    try:
        is_open = path.is_dir() and not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) != PRIVATE_FOLDER
        holds_other_things = is_open and any(path.iterdir()) and not all(room.is_dir() for room in rooms)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}; choose another with VLAD_HOME") from error
    if holds_other_things:
        raise RecordError(
            f"{path} holds other things, and runs are kept in a folder that only you can enter; "
            f"choose one of their own with VLAD_HOME, e.g. {path / 'vlad'}"
        )
    for folder in (path, *rooms):
        private_folder(folder)


def _refuse_others(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise RecordError(f"{path} is a symlink or no folder; remove it or choose another with VLAD_HOME")
    if found.st_uid != os.geteuid():
        raise RecordError(f"{path} belongs to user {found.st_uid}, not to you; choose another with VLAD_HOME")


def refuse_foreign_folder(path: Path) -> None:
    """Raises RecordError where others could have written what stands in a folder: nothing in it is to be executed."""
    try:
        found = path.lstat()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    _refuse_others(path, found)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RecordError(f"{path} can be written by others; look what stands in it, then `chmod 700` it")


def set_aside(path: Path) -> Path:
    """Renames an unreadable file out of the way, beside itself, and returns its new name. Nothing is ever deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.unreadable-{number}")).exists():
        number += 1
    path.rename(aside)
    sync_folder(path.parent)
    return aside
