"""The job of a run: its current attempt from the intent to launch it to the last of its processes."""

import os
import time
from signal import SIGKILL, SIGTERM

from vlad.host import processes
from vlad.policy.attempt import attempt_argv, job_environment
from vlad.policy.stop import sweep_rung
from vlad.records import failpoints
from vlad.records.outcome import Diagnosis, Exit, ProcessIdentity
from vlad.records.progress import Finished
from vlad.records.requests import Action, Request
from vlad.records.run import AgentStarted, Attempt, AttemptEnded, AttemptStarted, LeftBehind, Noted, StopRung
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind, RunSpec
from vlad.records.wording import Wordings
from vlad.supervise import adopted, locks
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.explain import explain
from vlad.supervise.follow import ProgressFollower, existing_checkpoint
from vlad.supervise.inbox import Inbox
from vlad.supervise.launch import Handles, launch
from vlad.supervise.leftovers import leftovers
from vlad.supervise.observer import Observer
from vlad.supervise.queue import Queue
from vlad.supervise.reserve import keep_reserve
from vlad.supervise.terminal import Terminal
from vlad.supervise.terminal_service import wait_until_drained
from vlad.supervise.vigil import hang_diagnosis
from vlad.supervise.worker_group import Life, WorkerGroup, members, signal_all

LOCK_PATIENCE_S = 1.0


class Job:
    """Owns the agent of the current attempt, and what ends the processes that it leaves behind."""

    def __init__(
        self, run: RunDirectory, spec: RunSpec, chronicle: Chronicle, inbox: Inbox, queue: Queue, lock: int,
        terminal: Terminal | None,
    ) -> None:  # fmt: skip
        self._run = run
        self._spec = spec
        self._chronicle = chronicle
        self._inbox = inbox
        self._queue = queue
        self._lock = lock
        self._terminal = terminal
        self._follower = ProgressFollower(run)
        self._observer = Observer(run, spec)
        self._family = adopted.Family(spec.adopted.agent) if spec.adopted else None
        self._held: WorkerGroup | None = None
        self._sweep_began: float | None = None
        self._terminated: set[ProcessIdentity] = set()

    def close(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    @property
    def open_attempt(self) -> Attempt | None:
        """The attempt that has begun and not ended."""
        attempt = self._chronicle.record.attempt
        return attempt if attempt is not None and attempt.exit is None else None

    @property
    def _group(self) -> WorkerGroup | None:
        """The processes of the open attempt, once it has an agent."""
        attempt = self.open_attempt
        if attempt is None or attempt.agent is None:
            return None
        if self._held is None or self._held.agent != attempt.agent:
            self.close()
            self._held = WorkerGroup(self._run, self._run.attempt(attempt.number), attempt.agent)
        return self._held

    @property
    def has_ended(self) -> bool:
        return self._group is not None and self._group.life() is not Life.RUNS

    @property
    def wakes_at_end(self) -> int | None:
        """A descriptor that becomes readable when the agent ends; None when it has."""
        group = self._group
        return group.pidfd if group is not None and group.life() is Life.RUNS else None

    def plan_attempt(self) -> None:
        """Journals the intent, before anything can be executed."""
        keep_reserve(self._run)
        self._inbox.clear_trainer()
        checkpoint = existing_checkpoint(self._follower.read_new(), self._spec.cwd)
        event = AttemptStarted(
            **self._chronicle.stamp(),
            number=len(self._chronicle.record.attempts) + 1,
            argv=attempt_argv(self._spec, checkpoint),
            resumed_from=checkpoint.path if checkpoint and self._spec.kind is Kind.TRAIN else None,
            start_step=checkpoint.step if checkpoint else None,
        )
        self._chronicle.append(event)

    def launch(self) -> None:
        """Executes the planned attempt, or finds that it is executed already. Raises OSError where it cannot yet."""
        attempt = self.open_attempt
        assert attempt is not None
        if not locks.lock_within(self._lock, LOCK_PATIENCE_S):
            raise OSError(f"{self._run.lock} is held by a process of an earlier attempt")
        checkpoint = existing_checkpoint(self._follower.read_new(), self._spec.cwd)
        gpus = tuple(gpu.uuid for gpu in self._queue.gpus)
        environment = job_environment(os.environ, self._spec, self._run.path, attempt.number, gpus)
        self._observer.begin(attempt.number)
        folder, argv = self._run.attempt(attempt.number), attempt_argv(self._spec, checkpoint)
        if self._spec.adopted is not None and attempt.number == 1:
            agent = adopted.take(folder, self._spec.adopted)
        else:
            handles = Handles(
                lock=self._lock, lease=self._queue.lease_handle,
                terminal=self._terminal.slave if self._terminal else None,
            )  # fmt: skip
            agent = launch(folder, argv, environment, self._spec.cwd, handles)
        failpoints.reach("launch.done")
        self._chronicle.append(AgentStarted(**self._chronicle.stamp(), number=attempt.number, agent=agent))

    def exit(self) -> Exit | None:
        """How the agent ended, None before."""
        group = self._group
        return group.exit() if group is not None else None

    def finished(self) -> Finished | None:
        """What the program said at its end in the newest attempt."""
        return self._follower.read_new().finished_in(len(self._chronicle.record.attempts))

    def observe(self) -> tuple[int, Wordings] | None:
        """Follows the log of a program that is not our trainer; the step and the reason to stop it early, if any."""
        number = len(self._chronicle.record.attempts)
        if self._family is not None:
            self._family.look()
        self._observer.look(number)
        return self._observer.verdict(number)

    def clear_answered_requests(self) -> None:
        self._inbox.clear_answered(self._follower)

    def ask_to_stop(self) -> None:
        number = len(self._chronicle.record.attempts)
        self._inbox.ask_trainer(Request(id=f"stop-{number}", action=Action.STOP, at=time.time(), by="vlad"))

    def terminate(self) -> None:
        """SIGTERM to the agent alone: torchrun hands it on, and would replace ranks that were ended before it."""
        group = self._group
        if group is None or group.life() is not Life.RUNS:
            return
        if group.agent in self._members():
            processes.signal_process(group.agent, SIGTERM)
        else:
            self._note(f"process {group.agent.pid} is not signalled: nothing proves that it is of this run")

    def _members(self) -> list[ProcessIdentity]:
        """Everyone who is provably of this run."""
        family = self._family.members() if self._family is not None else []
        return list(dict.fromkeys([*members(self._run), *family]))

    def kill(self) -> None:
        signal_all(self._members(), SIGKILL)

    def sweep(self) -> bool:
        """Ends what the agent left behind, step by step; True when nothing is left, or nothing more can be done."""
        found = self._members()
        now = time.monotonic()
        if found and self._sweep_began is None:
            self._sweep_began = now
            grace_s = self._spec.stop.term_grace_s
            told = f"ends {len(found)} processes that the agent left behind: {_pids(found)}"
            self._note(f"{told}; SIGKILL follows after {grace_s:g} s")
        rung = self._sweep_rung(now) if found else None
        if rung is StopRung.TERM:
            signal_all([process for process in found if process not in self._terminated], SIGTERM)
            self._terminated.update(found)
        elif rung is StopRung.KILL:
            signal_all(found, SIGKILL)
        elif found:
            self._chronicle.append(LeftBehind(**self._chronicle.stamp(), processes=leftovers(found)))
        return rung is None

    def _sweep_rung(self, now: float) -> StopRung | None:
        elapsed_s = now - (self._sweep_began or now)
        ladder = self._spec.stop
        if self._chronicle.record.rung is StopRung.KILL:
            elapsed_s += ladder.term_grace_s
        return sweep_rung(ladder, elapsed_s)

    def end_attempt(self, exit: Exit) -> None:
        """Journals how the attempt ended, how far it came, and why."""
        attempt = self.open_attempt
        assert attempt is not None
        if self._terminal is not None:
            wait_until_drained(self._terminal)
        self._observer.end(attempt.number, exit)
        progress = self._follower.read_new()
        newest = existing_checkpoint(progress, self._spec.cwd)
        event = AttemptEnded(
            **self._chronicle.stamp(),
            number=attempt.number,
            exit=exit,
            end_step=progress.step,
            checkpoint_step=newest.step if newest else None,
            diagnosis=self._why_ended(attempt, exit),
        )
        self._inbox.clear_trainer()
        self._chronicle.append(event)
        locks.try_lock(self._lock)  # the job of an adopted run has held it until now
        self._sweep_began = None
        self._terminated.clear()
        self.close()

    def _why_ended(self, attempt: Attempt, exit: Exit) -> Diagnosis | None:
        """None where it was asked to end; what was ended for a hang has no other cause."""
        record = self._chronicle.record
        if record.stop_requested:
            return None
        if record.quiet is not None and record.quiet.is_hung and record.rung is not None:
            return hang_diagnosis(record.quiet, time.time())
        return explain(self._run, attempt, exit, self.finished())

    def _note(self, message: str) -> None:
        self._chronicle.append(Noted(**self._chronicle.stamp(), message=message))


def _pids(found: list[ProcessIdentity]) -> str:
    return ", ".join(str(process.pid) for process in found)
