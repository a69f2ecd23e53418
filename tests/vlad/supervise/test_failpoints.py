"""Keeper and supervisor killed at every place that matters: one launch, the true exit, an unbroken journal."""

import pytest
from patience import until
from supervised_runs import Lab
from vlad.records.requests import Action
from vlad.records.run import RungReached, State, StopRung
from vlad.records.spec import Kind, RestartPolicy
from vlad.supervise import adopt

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
    until(lambda: list(acted.iterdir()) and run.is_unguarded(), "death of both")
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


STOPPING = [
    "journal.before.requested",
    "journal.after.requested",
    "journal.before.STOPPING",
    "journal.after.STOPPING",
    "rung.request",
    "journal.before.rung",
    "journal.after.rung",
    "exit.before",
    "exit.after",
    "journal.before.attempt_ended",
    "journal.before.STOPPED",
    "journal.after.STOPPED",
    "state.before.STOPPED",
]


@pytest.mark.parametrize("action", ["kill", "kill_parent"])
@pytest.mark.parametrize("failpoint", STOPPING)
def test_a_stop_during_which_a_guard_is_killed_still_saves_first(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, failpoint: str, action: str
) -> None:
    acted = lab.path / "acted"
    acted.mkdir()
    monkeypatch.setenv("VLAD_FAILPOINTS", f"{failpoint}:{action}")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(acted))
    run = lab.start(*lab.counting("--steps", "5000", "--save-steps", "1000"), kind=Kind.TRAIN)
    run.until_step(2)
    run.ask(Action.STOP)
    record = run.until_ended()
    assert [path.name for path in acted.iterdir()] == [failpoint]
    assert record.state is State.STOPPED
    assert [attempt.exit and attempt.exit.code for attempt in record.attempts] == [0]
    assert record.attempts[0].checkpoint_step == record.attempts[0].end_step
    assert {event.rung for event in run.events if isinstance(event, RungReached)} <= {StopRung.REQUEST}
    assert run.workers() == []


@pytest.mark.parametrize("action", ["kill", "kill_parent"])
@pytest.mark.parametrize("failpoint", ["journal.before.BACKOFF", "journal.after.BACKOFF", "state.before.BACKOFF"])
def test_a_guard_killed_in_backoff_restarts_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, failpoint: str, action: str
) -> None:
    monkeypatch.setenv("VLAD_FAILPOINTS", f"{failpoint}:{action}")
    monkeypatch.setenv("VLAD_FAILPOINTS_ONCE", str(lab.path))
    job = ("bash", "-c", f"echo launched >> {lab.path}/launches; exit 5")
    record = lab.start(*job, restart=RestartPolicy(budget=1, backoff_s=0.2)).until_ended()
    assert (lab.path / "launches").read_text() == "launched\n" * 2
    assert [attempt.exit and attempt.exit.code for attempt in record.attempts] == [5, 5]
