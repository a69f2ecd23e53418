"""Finds runs that nobody looks after any more, because their whole guard was killed or the host restarted."""

import os
from collections.abc import Collection

from vlad.records.files import RecordError
from vlad.records.requests import Action, pending_requests
from vlad.records.rundir import Home, RunDirectory
from vlad.supervise import detach, locks

OWN_HOST = frozenset({os.uname().nodename})


def adopt_orphans(home: Home, hosts: Collection[str] | None = OWN_HOST) -> list[str]:
    """Starts a new guard for every such run of these hosts (None: of all), and returns their ids.

    Costs little where there is none. A run of another host may live there, on a disk that both share.
    """
    return [run_id for run_id in home.live_ids() if _adopt(home, home.run(run_id), hosts)]


def _adopt(home: Home, run: RunDirectory, hosts: Collection[str] | None) -> bool:
    if locks.is_locked(run.keeper_lock):
        return False
    try:
        record = run.read_record()
    except RecordError:
        return False
    if record.state.is_final and not is_resume_asked(run):
        home.mark_ended(run.run_id)
        return False
    if hosts is not None and record.host not in hosts:
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
