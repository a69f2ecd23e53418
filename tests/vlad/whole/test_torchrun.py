"""Real torchrun with two gloo ranks under the supervisor."""

import signal
import sys
from pathlib import Path

import pytest
from patience import until
from supervised_runs import SUPPORT, Lab, kill
from vlad.host import processes
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import Kind, RestartPolicy

RESTARTS = RestartPolicy(budget=2, backoff_s=0.05)
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def torchrun(lab: Lab, *options: str) -> tuple[str, ...]:
    launcher = (
        str(Path(sys.executable).with_name("torchrun")),
        "--standalone",
        "--nproc-per-node=2",
        "--max-restarts=0",
    )
    return (*launcher, str(SUPPORT / "counting_rank.py"), "--gloo", "--work", str(lab.path), *options)


def endless(lab: Lab) -> tuple[str, ...]:
    """No kill comes too late on a slow machine."""
    return torchrun(lab, "--steps", "1000000", "--until", str(lab.path / "enough"))


def test_torchrun_counts_to_its_end(lab: Lab) -> None:
    run = lab.start(*torchrun(lab, "--steps", "5"), kind=Kind.TRAIN, environment=ONE_THREAD)
    record = run.until_ended()
    assert (record.state, record.reason, len(record.attempts)) == (State.SUCCEEDED, Reason.MAX_STEPS, 1)
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 0


def test_a_killed_torchrun_leaves_no_rank_and_goes_on_from_its_checkpoint(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN, restart=RESTARTS, environment=ONE_THREAD)
    run.until_step(7)
    ranks = ranks_of(run.agent().pid)
    assert len({process.session for process in ranks}) == 2
    kill(run.agent())
    until(lambda: len(run.record.attempts) == 2, "second attempt")
    assert not {process.pid for process in ranks} & set(run.workers())
    (lab.path / "enough").touch()
    record = run.until_ended()
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 2)
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.signal == signal.SIGKILL
    assert (record.attempts[1].start_step or 0) >= 5


def test_a_killed_rank_ends_torchrun_by_itself_and_the_run_goes_on(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN, restart=RESTARTS, environment=ONE_THREAD)
    run.until_step(7)
    rank = processes.identity_of(ranks_of(run.agent().pid)[1].pid)
    assert rank is not None
    kill(rank)
    until(lambda: len(run.record.attempts) == 2, "second attempt")
    (lab.path / "enough").touch()
    record = run.until_ended()
    assert (record.state, len(record.attempts)) == (State.SUCCEEDED, 2)
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 1
    assert record.attempts[0].diagnosis is not None
    assert "SIGKILL" in record.attempts[0].diagnosis.summary


@pytest.mark.parametrize("action", [Action.STOP, Action.STOP_NOW])
def test_a_stopped_torchrun_leaves_nothing(lab: Lab, action: Action) -> None:
    run = lab.start(*torchrun(lab, "--steps", "5000"), kind=Kind.TRAIN, environment=ONE_THREAD)
    run.until_step(3)
    run.ask(action)
    record = run.until_ended()
    assert record.state is State.STOPPED
    assert run.workers() == []


def ranks_of(agent: int) -> list[processes.ProcessStat]:
    return [process for process in processes.all_processes().values() if process.parent == agent]
