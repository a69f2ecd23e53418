"""The records of a run as another host mirrors them: what changed since it last asked. Touches the disk."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from vlad.records.rundir import RunDirectory
from vlad.remote.protocol import MOST_PIECE_BYTES, FileMark, FilePiece, FilesRead, LogSeen

GROWING = ("events.jsonl", "progress.jsonl", "evaluations.jsonl")
REPLACED = ("spec.json", "state.json")
MOST_LOGS = 512


def read_files(run: RunDirectory, marks: tuple[FileMark, ...], most_bytes: int = MOST_PIECE_BYTES) -> FilesRead:
    """What the asker lacks of the run's records, so many bytes at most, and which logs there are. Raises OSError."""
    held = {mark.name: mark for mark in marks}
    pieces: list[FilePiece] = []
    room = most_bytes
    for name in (*REPLACED, *GROWING):
        piece = _piece(run.path / name, name, held, room)
        if piece is None:
            continue
        if name in REPLACED and piece.mark.size_bytes > room and pieces:
            return FilesRead(pieces=tuple(pieces), logs=(), has_more=True)
        pieces.append(piece)
        room -= len(piece.content)
        if room <= 0:
            return FilesRead(pieces=tuple(pieces), logs=(), has_more=True)
    return FilesRead(pieces=tuple(pieces), logs=tuple(_logs(run)))


def _piece(path: Path, name: str, held: Mapping[str, FileMark], room: int) -> FilePiece | None:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            now = FileMark(name=name, inode=found.st_ino, mtime_ns=found.st_mtime_ns, size_bytes=found.st_size)
            before = held.get(name)
            if before == now:
                return None
            offset = 0
            if name in GROWING and before and before.inode == now.inode and before.size_bytes <= now.size_bytes:
                offset = before.size_bytes
            file.seek(offset)
            content = file.read(max(1, room) if name in GROWING else -1)
    except FileNotFoundError:
        return None
    if name in GROWING and not content and offset:
        return None
    size = offset + len(content)
    mark = FileMark(name=name, inode=now.inode, mtime_ns=now.mtime_ns, size_bytes=size)
    return FilePiece(mark=mark, offset=offset, content=content)


def _logs(run: RunDirectory) -> Iterator[LogSeen]:
    """The console of each attempt and the files of its ranks."""
    for path in sorted((run.path / "attempts").glob("*/console.log"))[-MOST_LOGS:]:
        yield from _seen(run, path)
        ranks = path.parent / "ranks"
        for rank in sorted(ranks.rglob("*"))[:MOST_LOGS] if ranks.is_dir() else ():
            yield from _seen(run, rank)


def _seen(run: RunDirectory, path: Path) -> Iterator[LogSeen]:
    try:
        if path.is_file():
            yield LogSeen(name=str(path.relative_to(run.path)), size_bytes=path.stat().st_size)
    except OSError:
        return
