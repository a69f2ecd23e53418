"""What a user asks of a run that exists."""

import contextlib
import os

from vlad.records.files import RecordError
from vlad.records.requests import Action, Request, send_request
from vlad.records.rundir import RunDirectory
from vlad.supervise import detach, locks

GUARD_LEAVES_S = 10.0


def resume(run: RunDirectory, by: str = "") -> None:
    """Lets an ended run go on in a new attempt, with a fresh restart budget; an orphaned one gets a new guard.

    Raises RecordError where the run is looked after and has not ended.
    """
    record = run.read_record()
    if record.state.is_final:
        if not locks.free_within(run.keeper_lock, GUARD_LEAVES_S):
            raise RecordError(f"the supervisor of {run.run_id} has not left yet; try again")
        send_request(run.requests, Action.RESUME, by or _user())
        run.home.mark_live(run.run_id)
    elif locks.is_locked(run.keeper_lock):
        raise RecordError(f"{run.run_id} is {record.state}; it goes on by itself")
    detach.start(run)


def ask(run: RunDirectory, action: Action, by: str = "") -> Request:
    """Sends a request to the supervisor of a run. Raises RecordError where the run has ended."""
    record = run.read_record()
    if record.state.is_final:
        raise RecordError(f"{run.run_id} is {record.state} already")
    if not locks.is_locked(run.keeper_lock):
        with contextlib.suppress(RecordError):
            detach.start(run)
    return send_request(run.requests, action, by or _user())


def _user() -> str:
    return f"{os.environ.get('USER') or os.geteuid()}, process {os.getpid()}"
