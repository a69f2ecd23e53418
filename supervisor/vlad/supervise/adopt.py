"""Finds runs that nobody looks after any more, because their whole guard was killed or the host restarted."""

import os

from vlad.records.files import RecordError
from vlad.records.requests import Action, pending_requests
from vlad.records.rundir import Home, RunDirectory
from vlad.supervise import detach, locks


def adopt_orphans(home: Home) -> list[str]:
    """Starts a new guard for every such run of this host, and returns their ids. Costs little where there is none."""
    return [run_id for run_id in home.live_ids() if _adopt(home, home.run(run_id))]


def _adopt(home: Home, run: RunDirectory) -> bool:
    if locks.is_locked(run.keeper_lock):
        return False
    try:
        record = run.read_record()
    except RecordError:
        return False
    if record.state.is_final and not is_resume_asked(run):
        home.mark_ended(run.run_id)
        return False
    if record.host != os.uname().nodename:
        return False
    return _start(run)


def _start(run: RunDirectory) -> bool:
    """False where another process adopts it at the same time."""
    try:
        detach.start(run)
    except RecordError:
        return False
    return True


def is_resume_asked(run: RunDirectory) -> bool:
    return any(request.action is Action.RESUME for _, request in pending_requests(run.requests))
