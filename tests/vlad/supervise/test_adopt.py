"""Runs whose whole guard was killed, or that a reboot ended: found, proven, and gone on with."""

import os
import signal
from collections.abc import Iterator

import pytest
from patience import until
from supervised_runs import Lab, Run, kill_both
from vlad.host import processes
from vlad.records import failpoints
from vlad.records.outcome import Cause, ProcessIdentity
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import State, StopRung
from vlad.records.spec import Kind, RestartPolicy, StopLadder
from vlad.supervise import adopt, locks


@pytest.fixture
def _orphans_are_reaped_by_us() -> Iterator[None]:
    """Orphans of this process go to it and not to the first process of the host, so that the test reaps them."""
    processes.become_subreaper()
    yield
    processes.become_subreaper(False)


def reap_unseen(agent: ProcessIdentity) -> None:
    os.waitpid(agent.pid, 0)


def test_a_run_whose_guard_was_killed_whole_is_adopted_with_its_true_exit(lab: Lab) -> None:
    run = lab.start("bash", "-c", f"while ! test -e {lab.path}/go; do sleep 0.05; done; exit 9")
    run.until_state(State.RUNNING)
    kill_both(run)
    assert adopt.adopt_orphans(lab.home) == [run.directory.run_id]
    assert adopt.adopt_orphans(lab.home) == []
    run.guard()
    (lab.path / "go").touch()
    record = run.until_ended()
    assert len(record.attempts) == 1
    assert record.attempts[0].exit is not None
    if record.attempts[0].exit.code is None:  # kernels before 6.15 cannot tell the exit of a process that is no child
        assert record.attempts[0].exit.signal is None
        assert record.diagnosis is not None
        assert record.diagnosis.cause is Cause.UNKNOWN
    else:
        assert record.attempts[0].exit.code == 9


@pytest.mark.usefixtures("_orphans_are_reaped_by_us")
def test_an_exit_that_nobody_saw_is_unknown_and_never_success(lab: Lab) -> None:
    run = lab.start("bash", "-c", f"while ! test -e {lab.path}/go; do sleep 0.05; done; exit 0")
    run.until_state(State.RUNNING)
    kill_both(run)
    (lab.path / "go").touch()
    reap_unseen(run.agent())
    adopt.adopt_orphans(lab.home)
    record = run.until_ended()
    assert record.state is State.FAILED
    assert record.attempts[0].exit is not None
    assert (record.attempts[0].exit.code, record.attempts[0].exit.signal) == (None, None)


@pytest.mark.usefixtures("_orphans_are_reaped_by_us")
def test_a_trainer_that_said_it_was_done_needs_no_witness(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "1000000", "--until", str(lab.path / "enough")), kind=Kind.TRAIN)
    run.until_step(3)
    kill_both(run)
    (lab.path / "enough").touch()
    reap_unseen(run.agent())
    adopt.adopt_orphans(lab.home)
    record = run.until_ended()
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.MAX_STEPS)
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code is None


@pytest.mark.usefixtures("_orphans_are_reaped_by_us")
def test_the_exit_of_a_zombie_that_nobody_reaps_is_read_all_the_same(lab: Lab) -> None:
    """In a container whose first process reaps nothing, orphans stay zombies for ever."""
    run = lab.start("bash", "-c", f"while ! test -e {lab.path}/go; do sleep 0.05; done; exit 9")
    run.until_state(State.RUNNING)
    kill_both(run)
    (lab.path / "go").touch()
    agent = run.agent()
    until(lambda: not processes.is_alive(agent), "end of the job")
    adopt.adopt_orphans(lab.home)
    record = run.until_ended()
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 9
    assert str(record.attempts[0].exit.recorded_by).startswith("/proc")
    reap_unseen(agent)


def test_an_adopted_run_can_be_stopped(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "5000"), kind=Kind.TRAIN)
    run.until_step(3)
    kill_both(run)
    adopt.adopt_orphans(lab.home)
    run.ask(Action.STOP)
    assert run.until_ended().state is State.STOPPED
    assert run.workers() == []


def test_an_old_agent_of_another_boot_is_a_reboot_and_restarts(lab: Lab) -> None:
    """The pid of the record belongs to another process now: it is neither followed nor signalled."""
    at_once = RestartPolicy(budget=0, backoff_s=0.05)
    run = lab.start("bash", "-c", f"test -e {lab.path}/again && exit 0; sleep 600", restart=at_once)
    run.until_state(State.RUNNING)
    kill_both(run)
    for worker in run.workers():
        os.kill(worker, signal.SIGKILL)
    pretend_reboot(run)
    (lab.path / "again").touch()
    adopt.adopt_orphans(lab.home)
    record = run.until_ended()
    assert record.state is State.SUCCEEDED
    assert record.attempts[0].diagnosis is not None
    assert record.attempts[0].diagnosis.cause is Cause.REBOOT


def pretend_reboot(run: Run) -> None:
    """Every identity on record now names this test process, in another boot."""
    ours = processes.own_identity()
    agent = run.agent()
    for path in (run.directory.events, run.directory.state, run.directory.attempt(1).agent):
        text = (
            path.read_text().replace(agent.boot_id, "another-boot").replace(f'"pid":{agent.pid}', f'"pid":{ours.pid}')
        )
        path.write_text(text)


@pytest.fixture
def bystander() -> Iterator[ProcessIdentity]:
    """A process of the same user that is of no run."""
    pid = os.posix_spawn("/bin/sleep", ["sleep", "600"], {})
    identity = processes.identity_of(pid)
    assert identity is not None
    yield identity
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def forge_agent(run: Run, *changes: tuple[str, str]) -> None:
    """Kills the whole run, and makes its records say something else about its agent."""
    run.until_state(State.RUNNING)
    kill_both(run)
    for worker in run.workers():
        os.kill(worker, signal.SIGKILL)
    for path in (run.directory.events, run.directory.state, run.directory.attempt(1).agent):
        text = path.read_text()
        for old, new in changes:
            text = text.replace(old, new)
        path.write_text(text)


def test_a_recycled_pid_is_never_signalled(lab: Lab, bystander: ProcessIdentity) -> None:
    """The record's agent has the pid of a process of this boot that started at another time."""
    run = lab.start("sleep", "600")
    forge_agent(run, (f'"pid":{run.agent().pid}', f'"pid":{bystander.pid}'))
    adopt.adopt_orphans(lab.home)
    run.ask(Action.STOP_NOW)
    run.until_ended()
    assert processes.is_alive(bystander)


def test_a_forged_identity_is_never_signalled(lab: Lab, bystander: ProcessIdentity) -> None:
    """The record names a process that lives, with its true start; but nothing proves that it is of the run."""
    run = lab.start("sleep", "600", stop=StopLadder(term_grace_s=0.1, kill_grace_s=0.1))
    agent = run.agent()
    ticks = (f'"start_ticks":{agent.start_ticks}', f'"start_ticks":{bystander.start_ticks}')
    forge_agent(run, (f'"pid":{agent.pid}', f'"pid":{bystander.pid}'), ticks)
    adopt.adopt_orphans(lab.home)
    run.ask(Action.STOP_NOW)
    until(lambda: run.record.rung is StopRung.KILL, "last rung")
    assert f"process {bystander.pid} is not signalled" in "".join(run.messages())
    assert processes.is_alive(bystander)


def test_a_run_of_another_host_is_left_alone(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    run.until_state(State.RUNNING)
    kill_both(run)
    for path in (run.directory.events, run.directory.state):
        path.write_text(path.read_text().replace('"host":"', '"host":"other-'))
    assert adopt.adopt_orphans(lab.home) == []


def test_the_lock_of_an_adopted_run_is_taken_when_its_job_has_ended(lab: Lab) -> None:
    run = lab.start("bash", "-c", f"while ! test -e {lab.path}/go; do sleep 0.05; done; exit 4",
                    restart=RestartPolicy(budget=1, backoff_s=3.0))  # fmt: skip
    run.until_state(State.RUNNING)
    kill_both(run)
    adopt.adopt_orphans(lab.home)
    (lab.path / "go").touch()
    run.until_state(State.BACKOFF)
    until(lambda: locks.is_locked(run.directory.lock), "lock taken by the new guard")
    assert len(run.until_ended().attempts) == 2


@pytest.mark.parametrize("jump_s", [-86400.0, 86400.0], ids=["forward", "back"])
def test_a_clock_that_was_set_while_nobody_lived_delays_no_restart_for_long(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """Set back, the time on record lies a day ahead: the wait is as long as the policy's longest, and no longer."""
    policy = RestartPolicy(budget=1, backoff_s=1.5, backoff_cap_s=1.5)
    with monkeypatch.context() as failing:
        failing.setenv(failpoints.VARIABLE, "moved.BACKOFF:kill_both")
        run = lab.start("bash", "-c", f"test -e {lab.path}/again && exit 0; exit 3", restart=policy)
    restart_at = run.until_state(State.BACKOFF).restart_at
    until(run.is_unguarded, run)
    (lab.path / "again").touch()
    assert restart_at is not None
    for path in (run.directory.events, run.directory.state):
        told, moved = f'"restart_at":{restart_at!r}', f'"restart_at":{restart_at + jump_s!r}'
        assert told in path.read_text()
        path.write_text(path.read_text().replace(told, moved))
    adopt.adopt_orphans(lab.home)
    record = run.until_ended()
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 2)
