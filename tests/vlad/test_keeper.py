"""Keeper and supervisor: each replaces the other, whichever is killed and when, and the job notices nothing."""

import itertools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised_runs import Lab, Run, kill, until
from vlad.host import processes
from vlad.records.outcome import Cause, ProcessIdentity
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import AgentStarted, State, Supervised
from vlad.records.spec import Kind, RestartPolicy
from vlad.supervise import adopt, detach, locks

HEALED_S = 5.0


def steps_of(run: Run, rank: int, attempt: int = 1) -> list[int]:
    lines = [line.split() for line in run.console(attempt).splitlines()]
    return [int(words[3]) for words in lines if words[:2] == ["rank", str(rank)]]


def test_a_killed_supervisor_is_replaced_and_the_job_notices_nothing(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "60"), kind=Kind.TRAIN)
    run.until_step(3)
    keeper, supervisor = run.guard()
    kill(supervisor)
    until(lambda: run.record.supervisor != supervisor and run.is_guarded_by(run.record), "healed", HEALED_S)
    assert run.record.keeper == keeper
    record = run.until_ended()
    assert (record.state, record.reason, len(record.attempts)) == (State.SUCCEEDED, Reason.MAX_STEPS, 1)
    assert [steps_of(run, rank) for rank in (0, 1)] == [list(range(1, 61))] * 2
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 0
    assert str(record.attempts[0].exit.recorded_by) == f"parent {keeper.pid}"


def test_a_killed_keeper_is_replaced_by_the_supervisor(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "60"), kind=Kind.TRAIN)
    run.until_step(3)
    keeper, supervisor = run.guard()
    kill(keeper)
    until(lambda: run.record.keeper == supervisor and run.is_guarded_by(run.record), "healed", HEALED_S)
    record = run.until_ended()
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 1)
    assert steps_of(run, 0) == list(range(1, 61))
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 0


@pytest.mark.parametrize("order", list(itertools.permutations(["keeper", "supervisor"])), ids=" then ".join)
def test_keeper_and_supervisor_killed_one_after_the_other_lose_no_exit(lab: Lab, order: tuple[str, str]) -> None:
    run = lab.start("bash", "-c", "sleep 1.5; exit 7")
    for who in order:
        kill(dict(zip(("keeper", "supervisor"), run.guard(), strict=True))[who])
        run.guard()
    record = run.until_ended()
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 7


def kill_both(run: Run) -> None:
    """At once: the supervisor sees nothing of its keeper's death."""
    guards = run.guard()
    for guard in guards:
        processes.signal_process(guard, signal.SIGSTOP)
    for guard in guards:
        kill(guard)
    until(lambda: not run.guards(), "nobody looks after the run")


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
    run = lab.start(*lab.counting("--steps", "30"), kind=Kind.TRAIN)
    run.until_step(3)
    kill_both(run)
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


def test_a_killed_agent_restarts_from_the_last_checkpoint_and_leaves_no_rank(lab: Lab) -> None:
    run = lab.start(
        *lab.counting("--steps", "40", "--save-steps", "5"), kind=Kind.TRAIN,
        restart=RestartPolicy(budget=2, backoff_s=0.05),
    )  # fmt: skip
    run.until_step(7)
    first = run.agent()
    ranks = [pid for pid in run.workers() if pid != first.pid]
    assert len(ranks) == 2
    kill(first)
    until(lambda: len(run.record.attempts) == 2, "second attempt")
    assert not set(ranks) & set(run.workers())
    record = run.until_ended()
    assert record.state is State.SUCCEEDED
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.signal == signal.SIGKILL
    start = record.attempts[1].start_step
    assert start is not None
    assert start >= 5
    assert steps_of(run, 0, 2) == list(range(start + 1, 41))


def test_a_killed_rank_ends_the_attempt_and_the_run_goes_on(lab: Lab) -> None:
    run = lab.start(
        *lab.counting("--steps", "40", "--save-steps", "5"), kind=Kind.TRAIN,
        restart=RestartPolicy(budget=2, backoff_s=0.05),
    )  # fmt: skip
    run.until_step(7)
    rank = next(pid for pid in run.workers() if pid != run.agent().pid)
    os.kill(rank, signal.SIGKILL)
    record = run.until_ended()
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 2)


FAILPOINTS = [
    "supervisor.start",
    "journal.before.supervised",
    "journal.after.supervised",
    "state.before.supervised",
    "state.after.supervised",
    "journal.before.STARTING",
    "journal.after.STARTING",
    "journal.before.attempt_started",
    "journal.after.attempt_started",
    "state.after.attempt_started",
    "launch.before_fork",
    "launch.after_fork",
    "launch.done",
    "journal.before.agent_started",
    "journal.after.agent_started",
    "journal.before.RUNNING",
    "journal.after.RUNNING",
    "exit.before",
    "exit.after",
    "exit.reaped",
    "journal.before.attempt_ended",
    "journal.after.attempt_ended",
    "journal.before.FAILED",
    "journal.after.FAILED",
    "state.before.FAILED",
    "state.after.FAILED",
    "run.ended",
]


@pytest.mark.parametrize("action", ["kill", "kill_parent"])
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_guard_killed_at_any_point_launches_once_and_records_the_true_exit(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, failpoint: str, action: str
) -> None:
    acted = lab.path / "acted"
    acted.mkdir()
    monkeypatch.setenv("VLAD_FAILPOINTS", f"{failpoint}:{action}")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(acted))
    run = lab.start("bash", "-c", f"echo launched >> {lab.path}/launches; sleep 0.1; exit 5")
    record = run.until_ended()
    assert [path.name for path in acted.iterdir()] == [failpoint]
    assert (lab.path / "launches").read_text() == "launched\n"
    assert record.state is State.FAILED
    assert [attempt.exit.code for attempt in record.attempts if attempt.exit] == [5]
    assert run.directory.repaired_record() == record
    assert [event.seq for event in run.events] == list(range(1, record.seq + 1))


@pytest.mark.parametrize("failpoint", [name for name in FAILPOINTS if name not in ("supervisor.start", "run.ended")])
def test_keeper_and_supervisor_killed_at_once_at_any_point_launch_once_in_all(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, failpoint: str
) -> None:
    acted = lab.path / "acted"
    acted.mkdir()
    monkeypatch.setenv("VLAD_FAILPOINTS", f"{failpoint}:kill_both")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(acted))
    run = lab.start("bash", "-c", f"echo launched >> {lab.path}/launches; sleep 0.1; exit 5")
    until(lambda: list(acted.iterdir()) and not run.guards(), "death of both")
    until(lambda: adopt.adopt_orphans(lab.home) or run.record.state.is_final, "adoption")
    record = run.until_ended()
    assert (lab.path / "launches").read_text() == "launched\n"
    assert record.state is State.FAILED
    assert len(record.attempts) == 1
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code in (5, None)


def test_an_agent_killed_before_it_executes_was_an_attempt_that_failed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLAD_FAILPOINTS", "launch.claimed:kill")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(lab.path))
    run = lab.start("true", restart=RestartPolicy(budget=1, backoff_s=0.01))
    record = run.until_ended()
    assert record.state is State.SUCCEEDED
    assert [attempt.exit and (attempt.exit.code, attempt.exit.signal) for attempt in record.attempts] == [
        (None, 9),
        (0, None),
    ]


def test_an_old_agent_of_another_boot_is_a_reboot_and_restarts(lab: Lab) -> None:
    """The pid of the record belongs to another process now: it is neither followed nor signalled."""
    run = lab.start("bash", "-c", f"test -e {lab.path}/again && exit 0; sleep 600", restart=RestartPolicy(budget=0))
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


def test_a_recycled_pid_is_never_signalled(lab: Lab) -> None:
    """The record's agent has the pid of a process of this boot that started at another time."""
    run = lab.start("sleep", "600")
    run.until_state(State.RUNNING)
    kill_both(run)
    for worker in run.workers():
        os.kill(worker, signal.SIGKILL)
    bystander = os.posix_spawn("/bin/sleep", ["sleep", "600"], {})
    try:
        agent = run.agent()
        for path in (run.directory.events, run.directory.state, run.directory.attempt(1).agent):
            path.write_text(path.read_text().replace(f'"pid":{agent.pid}', f'"pid":{bystander}'))
        adopt.adopt_orphans(lab.home)
        run.ask(Action.STOP_NOW)
        run.until_ended()
        assert processes.read_stat(bystander) is not None
        assert not processes.read_stat(bystander).is_zombie
    finally:
        os.kill(bystander, signal.SIGKILL)
        os.waitpid(bystander, 0)


def test_two_that_start_the_same_run_make_one_guard(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    detach.start(run.directory)
    run.guard()
    until(lambda: len(run.guards()) == 2, "one guard")
    run.until_state(State.RUNNING)
    assert len([event for event in run.events if isinstance(event, AgentStarted)]) == 1


def test_a_run_of_another_host_is_left_alone(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    run.until_state(State.RUNNING)
    kill_both(run)
    for path in (run.directory.events, run.directory.state):
        path.write_text(path.read_text().replace('"host":"', '"host":"other-'))
    assert adopt.adopt_orphans(lab.home) == []


def test_the_guard_holds_neither_terminal_nor_folder_nor_descriptor_of_its_starter(lab: Lab) -> None:
    leaked, _ = os.pipe()
    os.set_inheritable(leaked, True)
    run = lab.start("sleep", "600")
    keeper, supervisor = run.guard()
    for guard in (keeper, supervisor):
        stat = processes.read_stat(guard.pid)
        assert stat is not None
        assert stat.tty == 0
        assert stat.session != os.getsid(0)
        assert Path(f"/proc/{guard.pid}/cwd").readlink() == Path("/")
        targets = [str(path.readlink()) for path in Path(f"/proc/{guard.pid}/fd").iterdir()]
        assert not [target for target in targets if target.startswith(("pipe:", "socket:", "/dev/pts", "/dev/tty"))]
    os.close(leaked)


def test_the_names_of_keeper_and_supervisor_tell_who_they_are(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    keeper, supervisor = run.guard()
    stats = [processes.read_stat(one.pid) for one in (keeper, supervisor)]
    assert [stat.name for stat in stats if stat] == ["vlad-keeper", "vlad-supervisor"]


def test_keeper_and_supervisor_are_small(lab: Lab) -> None:
    """Budget: 8 MB each, shared pages counted in part."""
    run = lab.start("sleep", "600")
    for guard in run.guard():
        rollup = Path(f"/proc/{guard.pid}/smaps_rollup").read_text()
        pss_kb = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        assert pss_kb < 8 * 1024


def test_an_outer_run_does_not_end_an_inner_one(lab: Lab) -> None:
    """A run started from inside another has a guard and a tag of its own."""
    inner = lab.create(lab.spec("sleep", "600"))
    code = (
        "import sys; from pathlib import Path; from vlad.supervise import detach; "
        "from vlad.records.rundir import RunDirectory; detach.start(RunDirectory(Path(sys.argv[1])))"
    )
    outer = lab.start(sys.executable, "-c", code, str(inner.directory.path))
    assert outer.until_ended().state is State.SUCCEEDED
    inner.until_state(State.RUNNING)
    inner.guard()
    assert inner.record.state is State.RUNNING


def test_a_full_disk_delays_the_record_and_loses_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLAD_FAILPOINTS", "journal.before.attempt_ended:enospc state.before.RUNNING:enospc")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(lab.path))
    run = lab.start("bash", "-c", "exit 5")
    record = run.until_ended()
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 5
    assert "failpoint journal.before.attempt_ended" in run.directory.supervisor_log.read_text()


def test_supervisors_are_replaced_one_at_a_time(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    for _ in range(3):
        _, supervisor = run.guard()
        kill(supervisor)
        until(lambda dead=supervisor: run.record.supervisor != dead, "healed", HEALED_S)
        run.guard()
        until(lambda: len(run.guards()) == 2, "one guard")
    assert len([event for event in run.events if isinstance(event, Supervised)]) == 4


def test_the_lock_of_an_adopted_run_is_taken_when_its_job_has_ended(lab: Lab) -> None:
    run = lab.start("bash", "-c", f"while ! test -e {lab.path}/go; do sleep 0.05; done; exit 4",
                    restart=RestartPolicy(budget=1, backoff_s=0.5))  # fmt: skip
    run.until_state(State.RUNNING)
    kill_both(run)
    adopt.adopt_orphans(lab.home)
    (lab.path / "go").touch()
    run.until_state(State.BACKOFF)
    until(lambda: locks.is_locked(run.directory.lock), "lock taken by the new guard")
    assert len(run.until_ended().attempts) == 2
