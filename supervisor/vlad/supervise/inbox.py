"""Requests: taken once from the run's folder, journaled, and handed on to the trainer where they concern it."""

from pathlib import Path

import msgspec

from vlad.host.folder_watch import FolderWatch, watch
from vlad.records.files import replace_file
from vlad.records.requests import Action, Request, pending_requests
from vlad.records.run import Requested, RunRecord, State
from vlad.records.rundir import RunDirectory
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.follow import ProgressFollower


class Inbox:
    """Consumes what CLI and dashboard ask; a request is on record before its file is removed, and is done once."""

    def __init__(self, run: RunDirectory, chronicle: Chronicle) -> None:
        self._run = run
        self._chronicle = chronicle
        self._watch: FolderWatch | None = None

    @property
    def wakes_at_request(self) -> int | None:
        """A descriptor that is readable when a request has come since they were taken; None where one must look."""
        return self._watch.handle if self._watch is not None else None

    def close(self) -> None:
        """Watches no more."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def notice(self) -> None:
        """Requests that have come until now wake nobody again, whether they can be taken or not."""
        if self._watch is not None:
            self._watch.forget()

    def consume(self) -> None:
        """Takes every waiting request."""
        self._watch = self._watch or watch(self._run.requests)
        for path, request in pending_requests(self._run.requests):
            if request.id not in self._chronicle.consumed:
                self.record(request, self._hand_on(request))
            path.unlink(missing_ok=True)

    def resume_request(self) -> Request | None:
        """A request to resume that waits."""
        for _, request in pending_requests(self._run.requests):
            if request.action is Action.RESUME and request.id not in self._chronicle.consumed:
                return request
        return None

    def record(self, request: Request, detail: str) -> None:
        stamp = self._chronicle.stamp()
        self._chronicle.append(
            Requested(**stamp, request_id=request.id, action=request.action, by=request.by, detail=detail)
        )

    def _hand_on(self, request: Request) -> str:
        record = self._chronicle.record
        match request.action:
            case Action.SAVE | Action.EVALUATE:
                return self._ask_trainer_if_running(record, request)
            case Action.STOP | Action.STOP_NOW:
                return f"refused: the run is {record.state} already" if record.state.is_final else ""
            case Action.RESUME:
                return f"refused: the run is {record.state}"

    def _ask_trainer_if_running(self, record: RunRecord, request: Request) -> str:
        if record.state is not State.RUNNING:
            return f"refused: the run is {record.state}"
        self.ask_trainer(request)
        return "handed to the trainer"

    def ask_trainer(self, request: Request) -> None:
        """Puts a request where the trainer's rank 0 looks between steps; again is the same as once."""
        replace_file(self._trainer_file(request.id), msgspec.json.encode(request))

    def clear_answered(self, follower: ProgressFollower) -> None:
        """Removes what the trainer has done."""
        for path, request in pending_requests(self._run.trainer_requests):
            if request.id in follower.read_new().answered:
                path.unlink(missing_ok=True)

    def clear_trainer(self) -> None:
        """Removes what was asked of an attempt that has ended: a stop must not end the next one."""
        for path, _ in pending_requests(self._run.trainer_requests):
            path.unlink(missing_ok=True)

    def _trainer_file(self, request_id: str) -> Path:
        self._run.trainer_requests.mkdir(mode=0o700, exist_ok=True)
        return self._run.trainer_requests / f"{request_id}.json"
