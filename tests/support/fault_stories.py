"""Lives through one fault of the matrix with real processes, and tells everything that was lost by it."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import fault_checks
import msgspec
from dashboard_process import Dashboard
from fault_matrix import GUARDS, WORKERS, Fault
from patience import until
from supervised_runs import Lab, Run
from vlad.host import processes
from vlad.records import failpoints
from vlad.records.outcome import ProcessIdentity
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import Kind, RestartPolicy, StopLadder
from vlad.supervise import detach, locks

STEPS_FIRST = 3
LADDER = StopLadder(request_grace_s=60, term_grace_s=1, kill_grace_s=20)
RANKS = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a fault: nothing is lost where `problems` is empty. How long healing took is for benchmarks."""

    fault: Fault
    healed_s: float | None
    problems: tuple[str, ...]


@dataclass(slots=True)
class Scene:
    """A run that is about to suffer the fault."""

    fault: Fault
    lab: Lab
    random: random.Random
    run: Run = field(init=False)
    dashboard: Dashboard | None = None

    @property
    def marks(self) -> Path:
        """Which failpoint has acted, and in which process."""
        return self.lab.path / "marks"

    @property
    def witness(self) -> Path:
        return self.lab.path / "witness"

    @property
    def enough(self) -> Path:
        """The ranks count until it is there."""
        return self.lab.path / "enough"

    def prepare(self) -> None:
        self.marks.mkdir()
        self.witness.mkdir()
        if self.fault.late:
            (self.marks / self.fault.point).touch()

    def failpoints(self, holder: str) -> dict[str, str]:
        """What makes a program of the `holder` stand still, nothing for others."""
        if self.fault.holder != holder:
            return {}
        return {failpoints.VARIABLE: f"{self.fault.point}:hold", failpoints.ONCE_VARIABLE: str(self.marks)}

    def start(self) -> None:
        """The dashboard is there before the fault, unless it is to die while it starts."""
        ends_late = self.fault.story == "stops"
        options = ["--steps", "1000000", "--save-steps", "1000" if ends_late else "5", "--evaluate-steps", "4"]
        fails = ["--fail-at", "7", "--fail-attempt", "1"] if self.fault.story == "fails" else []
        job = self.lab.counting(*options, *fails, "--loader", "--until", str(self.enough), ranks=RANKS)
        restart = RestartPolicy(budget=3, backoff_s=0.5 if self.fault.story == "fails" else 0.05)
        environment = {"FAULT_WITNESS": str(self.witness), **self.failpoints("job")}
        with variables(self.failpoints("guard")):
            spec = self.lab.spec(*job, kind=Kind.TRAIN, restart=restart, stop=LADDER, environment=environment)
            self.run = self.lab.create(msgspec.structs.replace(spec, has_terminal=self.fault.job == "terminal"))
            detach.start(self.run.directory)
        if self.fault.victim == "vlatui":
            self.open_dashboard()

    def open_dashboard(self) -> None:
        with variables(self.failpoints("vlatui")):
            self.dashboard = Dashboard(self.lab.home.path, self.run.directory.run_id)
        if self.fault.when != "at start-up":
            self.dashboard.until_painted(self.run.record.name)

    def lead_up(self) -> None:
        """Brings the run to where the fault is to happen."""
        fault = self.fault
        if fault.late or fault.story in ("saves", "stops") or fault.point.endswith((".attempt_ended", ".SUCCEEDED")):
            self.run.until_step(STEPS_FIRST)
        if fault.late:
            (self.marks / fault.point).unlink()
        if fault.story == "stops":
            self.run.ask(Action.STOP)
        elif fault.holder == "vlatui":
            assert self.dashboard is not None
            self.dashboard.type(b"c")
        elif fault.story == "saves":
            self.run.ask(Action.SAVE)
        elif fault.point.endswith((".attempt_ended", ".SUCCEEDED")) or fault.point.startswith("exit."):
            self.enough.touch()

    def holding(self) -> ProcessIdentity | None:
        """The process that stands still at the failpoint, once one does; none where no one is to."""
        if self.fault.holder == "nobody":
            if self.fault.story == "fails":
                until(lambda: self.run.record.state is State.BACKOFF, "backoff")
            return None
        mark = self.marks / self.fault.point
        pid = until(lambda: mark.read_text() if mark.exists() else "", (f"{self.fault.point} reached", self.run))
        held = until(lambda: _stopped(int(pid)), f"process {pid} stands still")
        return held

    def victim(self, held: ProcessIdentity | None) -> ProcessIdentity:
        return until(lambda: self._victim(held), (f"a {self.fault.victim} to kill", self.run))

    def _victim(self, held: ProcessIdentity | None) -> ProcessIdentity | None:
        match self.fault.victim:
            case "vlatui":
                return self.dashboard.identity if self.dashboard else None
            case "keeper" | "supervisor":
                return self._guard()
            case "terminal":
                return self.serving()
            case "torchrun":
                return held if self.fault.point == "launch.claimed" else self._worker()
            case "rank" if held is not None and self.fault.holder == "job" and self.fault.point != "loader.start":
                return held
            case _:
                return self._worker()

    def _guard(self) -> ProcessIdentity | None:
        record = self.run.record
        told = record.keeper if self.fault.victim == "keeper" else record.supervisor
        if told is not None and processes.is_alive(told):
            return told
        named = (pid for pid in self.run.guards() if _name(pid) == f"vlad-{self.fault.victim}")
        return next((processes.identity_of(pid) for pid in named), None)

    def serving(self) -> ProcessIdentity | None:
        """Of the terminal; before it has locked it, a fork of the supervisor has no name of its own."""
        if not locks.is_locked(self.run.directory.terminal_lock):
            return None
        named = (pid for pid in self.run.guards() if _name(pid) == "vlad-terminal")
        return next((processes.identity_of(pid) for pid in named), None)

    def _worker(self) -> ProcessIdentity | None:
        signed = fault_checks.signed(self.witness, self.fault.victim)
        found = signed if self.fault.is_light else fault_checks.in_tree(self.run, self.fault.victim)
        living = [one for one in found if processes.is_alive(one)]
        return self.random.choice(living) if living else None


def live_through(fault: Fault, folder: Path, seed: int = 0) -> Outcome:
    """Starts the run, kills, waits until it has healed and ended, and checks everything. Leaves no process behind."""
    scene = Scene(fault, Lab(folder), random.Random(f"{seed} {fault.name}"))
    healed_s, problems = None, []
    try:
        scene.prepare()
        scene.start()
        scene.lead_up()
        healed_s = suffer(scene)
        if fault.story != "stops":
            scene.enough.touch()
        scene.run.until_ended()
        if fault.job == "terminal":
            until(lambda: not scene.run.guards(), "the holder of the terminal sees that the run has ended")
        problems = fault_checks.losses(fault, scene.run, scene.lab.path, scene.witness)
    except AssertionError as error:
        problems = [str(error)]
    finally:
        end_of(scene)
    return Outcome(fault, healed_s, tuple(problems))


def end_of(scene: Scene) -> None:
    """Nothing of it lives on, whatever was found."""
    if scene.dashboard is not None:
        scene.dashboard.close()
    _release_everyone(scene)
    scene.lab.close()
    fault_checks.end_signed(scene.witness)


def suffer(scene: Scene) -> float:
    """The kill. Returns how long it took to heal, with nobody looking."""
    held = scene.holding()
    victim = scene.victim(held)
    attempts = len(scene.run.record.attempts)
    assert processes.signal_process(victim, signal.SIGKILL), f"{victim} is gone already"
    began = time.monotonic()
    stays_held = scene.fault.victim == "torchrun" and scene.fault.holder == "job"  # a rank that hangs, say
    if held is not None and not stays_held:
        processes.signal_process(held, signal.SIGCONT)
    if scene.fault.victim in ("rank", "loader") and not scene.fault.is_light:
        began = _end_of_agent(scene.run)
    until(_is_healed(scene, victim, attempts), ("healed", scene.run))
    return time.monotonic() - began


def _end_of_agent(run: Run) -> float:
    """PyTorch takes up to 5 s to notice a dead loader worker, and torchrun its time to end the other ranks."""
    agent = run.agent()
    until(lambda: not processes.is_alive(agent), ("the end of torchrun", run))
    return time.monotonic()


def _is_healed(scene: Scene, victim: ProcessIdentity, attempts: int) -> Callable[[], bool]:
    """Guards: two live again and are on record. Workers: the next attempt runs, or the run has ended as asked."""
    run = scene.run

    def guarded() -> bool:
        record = run.record
        return record.state.is_final or (run.is_guarded_by(record) and victim not in (record.keeper, record.supervisor))

    def restarted() -> bool:
        record = run.record
        is_next = len(record.attempts) > attempts and record.attempts[-1].agent is not None
        return record.state.is_final or is_next

    def served() -> bool:
        is_held = locks.is_locked(run.directory.terminal_lock)
        return run.record.state.is_final or (is_held and scene.serving() not in (None, victim))

    if scene.fault.victim in GUARDS:
        return guarded
    if scene.fault.victim == "terminal":
        return served
    return restarted if scene.fault.victim in WORKERS else lambda: True


def _release_everyone(scene: Scene) -> None:
    for mark in scene.marks.glob("*"):
        with suppress(ValueError, ProcessLookupError):
            os.kill(int(mark.read_text()), signal.SIGCONT)


def _stopped(pid: int) -> ProcessIdentity | None:
    found = processes.read_stat(pid)
    return processes.identity_of(pid) if found is not None and found.state == "T" else None


def _name(pid: int) -> str | None:
    found = processes.read_stat(pid)
    return found.name if found else None


@contextmanager
def variables(wanted: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
