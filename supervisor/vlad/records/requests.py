"""Requests: one file each, written by the CLI or the dashboard, consumed once by the supervisor or the trainer."""

import errno
import os
import time
from enum import StrEnum
from pathlib import Path

import msgspec

from vlad.records import failpoints
from vlad.records.files import replace_file

RESERVE = "reserve"
"""The file of a run that holds space for what must be written on a full disk."""


class Action(StrEnum):
    """What may be asked of a run."""

    STOP = "stop"
    STOP_NOW = "stop_now"
    SAVE = "save"
    EVALUATE = "evaluate"
    RESUME = "resume"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Asked by `by` at `at` (Unix seconds); the id sorts by time."""

    id: str
    action: Action
    at: float
    by: str = ""


_request = msgspec.json.Decoder(Request)


def send_request(folder: Path, action: Action, by: str) -> Request:
    """Puts a request into `folder` (made when missing) and returns it.

    On a full disk the space that is kept beside the folder is given back for it: a run can be stopped there, too.
    Raises OSError, naming the folder.
    """
    try:
        return _sent(folder, action, by)
    except OSError as error:
        if error.errno == errno.ENOSPC and (folder.parent / RESERVE).exists():
            (folder.parent / RESERVE).unlink(missing_ok=True)
            return _sent(folder, action, by)
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _sent(folder: Path, action: Action, by: str) -> Request:
    folder.mkdir(mode=0o700, exist_ok=True)
    now = time.time()
    request = Request(id=f"{time.time_ns():020d}-{os.urandom(3).hex()}", action=action, at=now, by=by)
    failpoints.reach("request.before")
    replace_file(folder / f"{request.id}.json", msgspec.json.encode(request), during="request.during")
    failpoints.reach("request.after")
    return request


def pending_requests(folder: Path) -> list[tuple[Path, Request]]:
    """Requests that wait, oldest first; files that are none are left out."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or path.suffix != ".json":
            continue
        try:
            found.append((path, _request.decode(path.read_bytes())))
        except (OSError, msgspec.DecodeError):
            continue
    return found
