"""Tells the user what happened, by a short process of its own: whatever becomes of it, no run is hurt or held up."""

import os
import sys
from typing import TYPE_CHECKING

import msgspec

from vlad.records.run import RunRecord, State
from vlad.records.rundir import RunDirectory
from vlad.supervise.remarks import remark

if TYPE_CHECKING:  # what is told, and how, is loaded where there is something to tell
    from vlad.policy.notices import Notice

BOOT = "import sys; sys.path[:] = sys.argv[1].split(chr(0x1F)); from vlad.supervise.notifier import main; main()"
MOST_BYTES = 32 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told on its standard input."""

    directory: str
    occasions: tuple[str, ...]
    title: str
    body: str


def tell(run: RunDirectory, record: RunRecord) -> None:
    """Tells what the run has just become, where that is worth it and the user has a configuration file at all.

    Never raises, never waits.
    """
    if record.state is not State.BACKOFF and not record.state.is_final:
        return
    from vlad.policy.notices import notice_of

    _tell(run, notice_of(record))


def tell_of_hang(run: RunDirectory, record: RunRecord) -> None:
    """As `tell`, for a run that hangs and is left alone."""
    from vlad.policy.notices import notice_of_hang

    _tell(run, notice_of_hang(record))


def _tell(run: RunDirectory, notice: "Notice | None") -> None:
    if notice is None:
        return
    from vlad.host.user_config import user_config_path

    try:
        if user_config_path().exists():
            _spawn(run, notice)
    except OSError as error:
        remark(f"nobody was told that {notice.title!r}: {error}")


def _spawn(run: RunDirectory, notice: "Notice") -> None:
    message = Message(
        directory=str(run.path), occasions=tuple(notice.occasions), title=notice.title, body=notice.body[:MOST_BYTES]
    )
    reading, writing = os.pipe()
    try:
        os.write(writing, msgspec.json.encode(message))
        paths = chr(0x1F).join(path for path in sys.path if path)
        argv = [sys.executable, "-I", "-S", "-c", BOOT, paths]
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        streams = (
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(run.supervisor_log), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        )
        os.posix_spawn(sys.executable, argv, os.environ, file_actions=streams)
    finally:
        os.close(reading)
        os.close(writing)
