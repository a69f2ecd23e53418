"""Real torchrun with two gloo ranks under the supervisor."""

import signal
import sys
from pathlib import Path

import pytest
from patience import until
from supervised_runs import SUPPORT, Lab, Run, kill
from vlad.host import processes
from vlad.records.outcome import ProcessIdentity
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import Kind, RestartPolicy

RESTARTS = RestartPolicy(budget=2, backoff_s=0.05)
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
ENDS = [(1, None), (None, signal.SIGKILL), (0, None)]
"""Codes and signals of torchrun: it ends by itself where a rank is killed."""


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


def test_a_killed_rank_and_a_killed_torchrun_leave_nothing_and_the_run_goes_on_from_its_checkpoints(lab: Lab) -> None:
    run = lab.start(*endless(lab), kind=Kind.TRAIN, restart=RESTARTS, environment=ONE_THREAD)
    run.until_step(7)
    first = ranks_of(run.agent().pid)
    assert len({process.session for process in first}) == 2
    kill(identity_of(first[1].pid))
    until(lambda: steps_of_attempt(run, 2) >= 7, run)
    second = ranks_of(run.agent().pid)
    kill(run.agent())
    until(lambda: len(run.record.attempts) == 3, "third attempt")
    assert not {process.pid for process in (*first, *second)} & set(run.workers())
    (lab.path / "enough").touch()
    record = run.until_ended()
    assert (record.state, record.reason, len(record.attempts)) == (State.SUCCEEDED, Reason.MAX_STEPS, 3)
    assert [(one.exit.code, one.exit.signal) for one in record.attempts if one.exit] == ENDS
    assert record.attempts[0].diagnosis is not None
    assert "SIGKILL" in record.attempts[0].diagnosis.summary
    starts = [one.start_step or 0 for one in record.attempts]
    assert starts[1] >= 5
    assert starts[2] >= starts[1] + 5


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


def identity_of(pid: int) -> ProcessIdentity:
    identity = processes.identity_of(pid)
    assert identity is not None
    return identity


def steps_of_attempt(run: Run, attempt: int) -> int:
    console = run.directory.attempt(attempt).console
    return console.read_text().count("rank 1 step") if console.exists() else 0
