"""Keeper and supervisor: each replaces the other, and the job notices nothing."""

import itertools
import os
import pty
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from patience import until
from supervised_runs import Lab, Run, kill
from vlad.host import processes
from vlad.records.progress import Reason
from vlad.records.run import AgentStarted, RunRecord, State, Supervised
from vlad.records.spec import Kind, RestartPolicy
from vlad.supervise import detach


def steps_of(run: Run, rank: int, attempt: int = 1) -> list[int]:
    lines = [line.split() for line in run.console(attempt).splitlines()]
    return [int(words[3]) for words in lines if words[:2] == ["rank", str(rank)]]


def endless(lab: Lab) -> tuple[str, ...]:
    """Counts until `enough` says so: no kill comes too late on a slow machine."""
    return lab.counting("--steps", "1000000", "--save-steps", "5", "--until", str(lab.path / "enough"))


def ended(lab: Lab, run: Run) -> RunRecord:
    (lab.path / "enough").touch()
    return run.until_ended()


def assert_no_step_is_missing(run: Run) -> None:
    for rank in (0, 1):
        steps = steps_of(run, rank)
        assert steps == list(range(1, 1 + len(steps)))


def until_both_count_past(run: Run, step: int) -> None:
    until(lambda: min(len(steps_of(run, rank)) for rank in (0, 1)) > step, run)


def replace_supervisor(run: Run) -> None:
    _, supervisor = run.guard()
    kill(supervisor)
    until(lambda: run.record.supervisor != supervisor, "healed")
    run.guard()


def test_a_killed_supervisor_is_replaced_and_the_job_notices_nothing(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN)
    run.until_step(3)
    keeper, supervisor = run.guard()
    kill(supervisor)
    until(lambda: run.record.supervisor != supervisor and run.is_guarded_by(run.record), "healed")
    assert run.record.keeper == keeper
    until_both_count_past(run, 3)
    record = ended(lab, run)
    assert (record.state, record.reason, len(record.attempts)) == (State.SUCCEEDED, Reason.MAX_STEPS, 1)
    assert_no_step_is_missing(run)
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 0
    assert str(record.attempts[0].exit.recorded_by) == f"parent {keeper.pid}"


def test_a_killed_keeper_is_replaced_by_the_supervisor(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN)
    run.until_step(3)
    keeper, supervisor = run.guard()
    kill(keeper)
    until(lambda: run.record.keeper == supervisor and run.is_guarded_by(run.record), "healed")
    until_both_count_past(run, 3)
    record = ended(lab, run)
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 1)
    assert_no_step_is_missing(run)
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 0


@pytest.mark.parametrize("order", list(itertools.permutations(["keeper", "supervisor"])), ids=" then ".join)
def test_keeper_and_supervisor_killed_one_after_the_other_lose_no_exit(lab: Lab, order: tuple[str, str]) -> None:
    run = lab.start("bash", "-c", f"until [ -e {lab.path}/enough ]; do sleep 0.05; done; exit 7")
    for who in order:
        kill(dict(zip(("keeper", "supervisor"), run.guard(), strict=True))[who])
        run.guard()
    (lab.path / "enough").touch()
    record = run.until_ended()
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 7


def test_a_killed_agent_restarts_from_the_last_checkpoint_and_leaves_no_rank(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN, restart=RestartPolicy(budget=2, backoff_s=0.05))
    run.until_step(7)
    first = run.agent()
    ranks = [pid for pid in run.workers() if pid != first.pid]
    assert len(ranks) == 2
    kill(first)
    until(lambda: len(run.record.attempts) == 2, "second attempt")
    assert not set(ranks) & set(run.workers())
    until(lambda: steps_of(run, 0, 2) if run.directory.attempt(2).console.exists() else [], run)
    record = ended(lab, run)
    assert record.state is State.SUCCEEDED
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.signal == signal.SIGKILL
    start = record.attempts[1].start_step
    assert start is not None
    assert start >= 5
    steps = steps_of(run, 0, 2)
    assert steps == list(range(start + 1, start + 1 + len(steps)))


def test_a_killed_rank_ends_the_attempt_and_the_run_goes_on(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN, restart=RestartPolicy(budget=2, backoff_s=0.05))
    run.until_step(7)
    rank = next(pid for pid in run.workers() if pid != run.agent().pid)
    os.kill(rank, signal.SIGKILL)
    until(lambda: len(run.record.attempts) == 2, run)
    record = ended(lab, run)
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 2)


def test_two_that_start_the_same_run_make_one_guard(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    detach.start(run.directory)
    run.guard()
    until(lambda: len(run.guards()) == 2, "one guard")
    run.until_state(State.RUNNING)
    assert len([event for event in run.events if isinstance(event, AgentStarted)]) == 1


def _holds_no_stream(pid: int) -> bool:
    try:
        targets = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except FileNotFoundError:  # closed meanwhile
        return False
    return not any(target.startswith(("pipe:", "socket:", "/dev/pts", "/dev/tty")) for target in targets)


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
        until(partial(_holds_no_stream, guard.pid), "no descriptor of its starter, nor of a process just started")
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


def test_supervisors_are_replaced_one_at_a_time(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    for _ in range(3):
        replace_supervisor(run)
        until(lambda: len(run.guards()) == 2, "one guard")
    assert len([event for event in run.events if isinstance(event, Supervised)]) == 4


def test_a_run_outlives_the_terminal_from_which_it_was_started(lab: Lab) -> None:
    """The terminal hangs up: its shell and whatever is in its session get SIGHUP, and all reading and writing fails."""
    run = lab.create(lab.spec(*endless(lab), kind=Kind.TRAIN))
    shell, terminal = pty.fork()
    if shell == 0:
        try:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests themselves run under nohup
            detach.start(run.directory)
            signal.pause()
        finally:
            os._exit(1)
    run.until_step(3)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(shell, 0)[1]) == -signal.SIGHUP
    hung_up_at = run.newest_step() or 0
    run.until_step(hung_up_at + 3)
    record = ended(lab, run)
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 1)
    assert_no_step_is_missing(run)
