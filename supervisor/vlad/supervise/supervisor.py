"""The supervisor of a run: tick by tick it looks, decides by pure policies, journals the decision, and acts on it."""

import os
import select
import time
from enum import Enum
from typing import TYPE_CHECKING, assert_never

from vlad.host import processes
from vlad.policy import stop as stopping
from vlad.policy.predecessors import Broken, Met
from vlad.policy.restart import Decision, GiveUp, Restart, Stop, Succeed, decide, exit_in_words
from vlad.records import failpoints
from vlad.records.outcome import ProcessIdentity
from vlad.records.progress import Reason
from vlad.records.run import Attempt, EarlyStopped, Moved, RunRecord, State, StopRung, Supervised
from vlad.records.rundir import RunDirectory
from vlad.records.wording import Wording, english, worded
from vlad.supervise import exits, notifying
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.inbox import Inbox
from vlad.supervise.job import Job
from vlad.supervise.ladder import Ladder
from vlad.supervise.queue import Queue
from vlad.supervise.remarks import remark
from vlad.supervise.reserve import give_reserve
from vlad.supervise.terminal import Terminal
from vlad.supervise.terminal_service import tend
from vlad.supervise.timer import Timer
from vlad.supervise.vigil import Vigil

if TYPE_CHECKING:
    from vlad.host.leases import Lease

IDLE_S = 0.25
REST_S = 1.0  # while a job runs whose end, whose requests and whose keeper's death wake at once
BUSY_S = 0.03
DISK_PAUSE_S = 1.0
ASKED = Wording("asked to stop")


class Ending(Enum):
    """Why a supervisor stops being one."""

    RUN_ENDED = "run ended"
    KEEPER_DIED = "keeper died"


class Supervisor:
    """Owns the journal of a run and the job of its current attempt.

    All that must outlive a kill is in the journal, and a tick that is done again does no harm: a supervisor that starts
    where another was killed just goes on.
    """

    def __init__(
        self, run: RunDirectory, lock: int, lease: "Lease | None", terminal: Terminal | None, keeper: ProcessIdentity
    ) -> None:
        self._run = run
        self._keeper = keeper
        self._keeper_handle = processes.open_process(keeper)
        self._spec = run.read_spec()
        self._chronicle = Chronicle(run)
        self._inbox = Inbox(run, self._chronicle)
        self._queue = Queue(run, self._spec, self._chronicle, lease)
        self._job = Job(run, self._spec, self._chronicle, self._inbox, self._queue, lock, terminal)
        self._terminal = terminal
        self._timer = Timer()
        self._has_announced = False
        self._ladder = Ladder(self._spec.stop, self._chronicle, self._job, self._timer)
        self._vigil = Vigil(run, self._spec, self._chronicle)
        self._pause_s = 0.0
        self._refusal = ""

    def close(self) -> None:
        """Gives up the journal and all handles; the processes of the run go on."""
        self._job.close()
        self._inbox.close()
        if self._keeper_handle is not None:
            os.close(self._keeper_handle)
        self._chronicle.close()

    @property
    def _record(self) -> RunRecord:
        return self._chronicle.record

    def run_until_ended(self) -> Ending:
        """Ticks until the run has ended, or until the keeper has died and this process must be it."""
        self._resume_if_asked()
        while not self._record.state.is_final:
            if os.getppid() != self._keeper.pid:
                return Ending.KEEPER_DIED
            self._tick_unless_disk_refuses()
            self._wait()
        failpoints.reach("run.ended")
        self._queue.release()
        if self._chronicle.flush():
            self._run.home.mark_ended(self._run.run_id)
        return Ending.RUN_ENDED

    def _resume_if_asked(self) -> None:
        request = self._inbox.resume_request()
        if request is not None and self._record.state.is_final:
            self._move(self._next_start, worded("resumed by {who}", who=request.by))
            self._inbox.record(request, "resumed")

    def _announce(self) -> None:
        why = "" if self._record.supervisor is None else "the supervisor before has ended"
        me = processes.own_identity()
        self._run.home.mark_live(self._run.run_id)
        self._chronicle.append(Supervised(**self._chronicle.stamp(), keeper=self._keeper, supervisor=me, why=why))
        self._has_announced = True

    def _tick_unless_disk_refuses(self) -> None:
        """A full or read-only disk does not hurt the job: what could not be written is tried again until it can."""
        try:
            self._tick()
        except OSError as error:
            if repr(error) != self._refusal:
                remark(f"will be tried again: {error!r}")
            self._refusal = repr(error)
            self._pause_s = 0.0 if give_reserve(self._run, error) else DISK_PAUSE_S

    def _wait(self) -> None:
        """Until something may have happened; the ends of keeper and agent and a request wake at once."""
        wakes = (self._keeper_handle, self._job.wakes_at_end, self._inbox.wakes_at_request)
        select.select([handle for handle in wakes if handle is not None], [], [], self._pause_s)
        self._inbox.notice()

    def _tick(self) -> None:
        """Makes at most one move; a tick that wrote something is followed by the next at once."""
        before = self._record.seq
        self._pause_s = IDLE_S
        self._chronicle.flush()
        exits.reap_children(self._run)
        if self._terminal is not None:
            tend(self._terminal)
        if not self._has_announced:
            self._announce()
        self._inbox.consume()
        self._look()
        if self._record.seq != before:
            self._pause_s = 0.0

    def _look(self) -> None:
        match self._record.state:
            case State.QUEUED:
                self._when_queued()
            case State.STARTING:
                self._when_starting()
            case State.RUNNING:
                self._when_running()
            case State.BACKOFF:
                self._when_backing_off()
            case State.STOPPING:
                self._when_stopping()
            case State.STOPPED | State.SUCCEEDED | State.FAILED:
                pass
            case state:
                assert_never(state)

    def _when_queued(self) -> None:
        if self._record.stop_requested:
            self._move(State.STOPPED, Wording("stopped before it started"))
            return
        match self._queue.look():
            case Met():
                self._move(State.STARTING, worded("attempt {number}", number=len(self._record.attempts) + 1))
            case Broken(wording):
                self._move(State.FAILED, *wording)

    @property
    def _next_start(self) -> State:
        """Where an attempt begins: in the queue again for a run that has not (or no longer) what it waits for."""
        return State.STARTING if self._queue.is_passed else State.QUEUED

    def _when_starting(self) -> None:
        attempt = self._job.open_attempt
        if attempt is None and self._record.stop_requested:
            self._move(State.STOPPED, Wording("stopped before it started"))
        elif attempt is None and not self._queue.is_passed:
            self._move(State.QUEUED, Wording("others hold its GPUs"))
        elif attempt is None:
            self._ladder.stand_at_foot()
            self._job.plan_attempt()
        elif attempt.agent is None:
            if self._queue.is_passed or isinstance(self._queue.look(), Met):
                self._job.launch()
        else:
            self._move(State.RUNNING, worded("attempt {number}", number=attempt.number))

    def _when_running(self) -> None:
        if self._record.stop_requested and self._job.open_attempt is not None:
            self._move(State.STOPPING, *(self._record.said if self._record.early_stopped else (ASKED,)))
        else:
            self._follow_job()
            self._stop_early_if_due()
            self._end_if_hung()
            if None not in (self._keeper_handle, self._job.wakes_at_end, self._inbox.wakes_at_request):
                self._pause_s = REST_S

    def _end_if_hung(self) -> None:
        """By the stop ladder without its request, which a hung program does not hear; then it is restarted."""
        attempt = self._job.open_attempt
        if attempt is None or self._job.exit() is not None:
            return
        self._vigil.look(attempt.number)
        if self._vigil.must_end:
            self._ladder.climb(StopRung.TERM, stop_now=True)

    def _stop_early_if_due(self) -> None:
        """Our trainer stops itself; others are stopped as by a user, and have succeeded then."""
        due = self._job.observe() if self._job.open_attempt is not None else None
        if due is not None:
            step, wording = due
            stamp = self._chronicle.stamp()
            self._chronicle.append(EarlyStopped(**stamp, step=step, why=english(wording), wording=wording))

    def _when_backing_off(self) -> None:
        if self._record.stop_requested:
            self._move(State.STOPPED, Wording("stopped while waiting to restart"))
            return
        restart_at = self._record.restart_at or 0.0
        remaining_s = self._timer.remaining_s(restart_at, at_most=self._spec.restart.backoff_cap_s)
        if remaining_s == 0:
            self._move(self._next_start, Wording("restart"))
        self._pause_s = min(IDLE_S, remaining_s)

    def _when_stopping(self) -> None:
        if self._job.open_attempt is not None and self._job.exit() is None:
            first = stopping.first_rung(self._spec.kind, stop_now=self._record.stop_now)
            self._ladder.climb(first, stop_now=self._record.stop_now)
        self._follow_job()

    def _follow_job(self) -> None:
        """Nothing while the agent runs; after its end what it left behind is ended, then the run goes on or ends."""
        attempt = self._record.attempt
        assert attempt is not None
        if attempt.exit is not None:
            self._carry_out(attempt, self._decide())
            return
        exit = self._job.exit()
        if exit is None:
            self._job.clear_answered_requests()
            self._pause_s = BUSY_S if self._job.has_ended else IDLE_S
        elif self._job.sweep():
            self._job.end_attempt(exit)
        else:
            self._pause_s = BUSY_S

    def _decide(self) -> Decision:
        since_start = self._record.attempts[self._record.first_attempt - 1 :]
        finished = self._job.finished()
        requested = self._record.stop_requested
        return decide(
            self._spec.kind, self._spec.restart, since_start, finished,
            stop_requested=requested, early_stopped=self._record.early_stopped,
        )  # fmt: skip

    def _carry_out(self, attempt: Attempt, decision: Decision) -> None:
        match decision:
            case Succeed(reason):
                wording = self._record.said if self._record.early_stopped else (exit_in_words(attempt.exit),)
                self._move(State.SUCCEEDED, *wording, reason=reason)
            case Stop():
                self._move(State.STOPPED, ASKED, exit_in_words(attempt.exit))
            case Restart(delay_s, wording):
                self._move(State.BACKOFF, *wording, restart_at=time.time() + delay_s)
            case GiveUp(wording):
                self._move(State.FAILED, *wording)
            case _:
                assert_never(decision)

    def _move(
        self, state: State, *wording: Wording, reason: Reason | None = None, restart_at: float | None = None
    ) -> None:
        moved = Moved(
            **self._chronicle.stamp(), state=state, why=english(wording), wording=wording, reason=reason,
            restart_at=restart_at,
        )  # fmt: skip
        notifying.tell(self._run, self._chronicle.append(moved))
        failpoints.reach(f"moved.{state}")
