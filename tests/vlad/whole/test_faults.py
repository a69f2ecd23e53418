"""kill -9 at random moments, again and again: the run ends as if nothing had happened, or goes on where it saved."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from patience import until
from supervised_runs import Lab, Run, kill
from vlad.host import processes
from vlad.records.outcome import ProcessIdentity
from vlad.records.progress import Plan, Reason, Step
from vlad.records.run import RunRecord, State
from vlad.records.spec import Kind, RestartPolicy

KILLS_IN_FULL = 25
LONGEST_WAIT_S = 0.4
RESTARTS = RestartPolicy(budget=3, backoff_s=0.05, backoff_cap_s=0.2)


class Victims:
    """Kills one process of a run after the other, each at a random moment, and waits until the run has healed."""

    def __init__(self, run: Run, seed: int) -> None:
        self.run = run
        self.random = random.Random(seed)
        self.healed_s: list[float] = []

    def kill(self, victim: str) -> None:
        time.sleep(self.random.uniform(0, LONGEST_WAIT_S))
        match victim:
            case "keeper":
                self.kill_guard(0)
            case "supervisor":
                self.kill_guard(1)
            case "torchrun":
                self.kill_worker(self.run.agent())
            case "rank":
                self.kill_worker(self.rank())

    def kill_guard(self, which: int) -> None:
        guard = self.run.guard()
        kill(guard[which])
        began = time.monotonic()
        until(lambda: self.run.is_guarded_by(self.run.record), "healed")
        self.healed_s.append(time.monotonic() - began)

    def rank(self) -> ProcessIdentity:
        def one() -> ProcessIdentity | None:
            agent = self.run.agent().pid
            ranks = [process for process in processes.all_processes().values() if process.parent == agent]
            return processes.identity_of(self.random.choice(ranks).pid) if ranks else None

        return until(one, "a rank")

    def kill_worker(self, worker: ProcessIdentity) -> None:
        """The run has healed when the next attempt has made a step: every attempt makes progress in these runs."""
        attempts = len(self.run.record.attempts)
        kill(worker)
        began = time.monotonic()
        until(lambda: len(self.run.record.attempts) > attempts, "next attempt")
        until(lambda: (self.attempt_of_newest_step() or 0) > attempts, "step of the next attempt")
        self.healed_s.append(time.monotonic() - began)

    def attempt_of_newest_step(self) -> int | None:
        steps = [line.attempt for line in self.run.directory.read_progress()[0] if isinstance(line, Step)]
        return steps[-1] if steps else None


@contextmanager
def state_is_always_readable(run: Run) -> Iterator[None]:
    """Reads state.json all the time, as dashboards do, and fails at the first that is none."""
    unreadable: list[Exception] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(0.002):
            try:
                msgspec.json.decode(run.directory.state.read_bytes(), type=RunRecord)
            except (OSError, msgspec.DecodeError) as error:
                unreadable.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        is_over.set()
        reader.join()
    assert unreadable == []


def run_with_faults(lab: Lab, victims: list[str], seed: int, job: tuple[str, ...]) -> tuple[Run, int]:
    """The ended run and the number of its last step."""
    run = lab.start(*job, kind=Kind.TRAIN, restart=RESTARTS)
    run.until_step(1)
    with state_is_always_readable(run):
        killer = Victims(run, seed)
        for victim in victims:
            killer.kill(victim)
        (lab.path / "enough").touch()
        run.until_ended()
    print(f"{len(victims)} kills of {sorted(set(victims))}: healed within {max(killer.healed_s):.2f} s")
    return run, run.newest_step() or 0


def check_run(run: Run, last_step: int, worker_kills: int) -> None:
    record = run.record
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.MAX_STEPS)
    assert len(record.attempts) == 1 + worker_kills
    exits = [attempt.exit for attempt in record.attempts]
    assert [found.code for found in exits if found][-1] == 0
    assert all(found is not None and (found.signal == 9 or found.code == 1) for found in exits[:-1])
    assert run.workers() == []
    check_steps(run, last_step)
    check_console(run)


def check_steps(run: Run, last_step: int) -> None:
    """Every attempt begins at its checkpoint and goes up step by step; the last one reaches the end."""
    lines = run.directory.read_progress()[0]
    for number, attempt in enumerate(run.record.attempts, 1):
        steps = [line.step for line in lines if isinstance(line, Step) and line.attempt == number]
        start = next(line.start_step for line in lines if isinstance(line, Plan) and line.attempt == number)
        assert start == (attempt.start_step or 0)
        assert steps == list(range(start + 1, start + 1 + len(steps)))
    assert steps[-1] == last_step


def check_console(run: Run) -> None:
    """Every rank's lines are there without a gap, from the checkpoint on."""
    for number, attempt in enumerate(run.record.attempts, 1):
        lines = [line.split() for line in run.console(number).splitlines()]
        for rank in ("0", "1"):
            steps = [int(words[3]) for words in lines if words[0] == "rank" and words[1] == rank]
            start = (attempt.start_step or 0) + 1
            assert steps == list(range(start, start + len(steps)))


def endless_job(lab: Lab) -> tuple[str, ...]:
    """Counts until the test has seen enough."""
    return lab.counting("--steps", "1000000", "--save-steps", "3", "--until", str(lab.path / "enough"))


@pytest.mark.parametrize("victim", ["supervisor", "keeper", "torchrun", "rank"])
def test_two_kills_of_one_kind(lab: Lab, victim: str) -> None:
    run, last_step = run_with_faults(lab, [victim] * 2, seed=1, job=endless_job(lab))
    check_run(run, last_step, worker_kills=2 if victim in ("torchrun", "rank") else 0)


def test_kills_of_every_kind_in_turn(lab: Lab) -> None:
    victims = ["supervisor", "rank", "keeper", "torchrun", "keeper", "supervisor"]
    run, last_step = run_with_faults(lab, victims, seed=2, job=endless_job(lab))
    check_run(run, last_step, worker_kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["supervisor", "keeper", "torchrun", "rank"])
def test_many_kills_of_one_kind(lab: Lab, victim: str) -> None:
    run, last_step = run_with_faults(lab, [victim] * KILLS_IN_FULL, seed=3, job=endless_job(lab))
    check_run(run, last_step, worker_kills=KILLS_IN_FULL if victim in ("torchrun", "rank") else 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_many_kills_of_all_kinds_mixed(lab: Lab, seed: int) -> None:
    victims = random.Random(seed).choices(["supervisor", "keeper", "torchrun", "rank"], k=KILLS_IN_FULL)
    run, last_step = run_with_faults(lab, victims, seed=seed, job=endless_job(lab))
    check_run(run, last_step, worker_kills=sum(victim in ("torchrun", "rank") for victim in victims))
