"""When a run goes on after an attempt has ended, and when it gives up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.policy.restart import (
    NEVER_RETRIED,
    Decision,
    GiveUp,
    Restart,
    Stop,
    Succeed,
    backoff_s,
    decide,
    failures_without_progress,
    plain_diagnosis,
    restarts_spent,
)
from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.progress import CheckpointSaved, Finished, Reason
from vlad.records.run import Attempt
from vlad.records.spec import Kind, RestartPolicy

POLICY = RestartPolicy(budget=2, backoff_s=5, backoff_factor=2, backoff_cap_s=60)
DONE = Exit(at=0, code=0)
CRASHED = Exit(at=0, code=1)
KILLED = Exit(at=0, signal=9)
UNKNOWN = Exit(at=0)


def attempt(
    exit: Exit = CRASHED, *, start: int | None = None, saved: int | None = None, cause: Cause = Cause.EXITED
) -> Attempt:
    diagnosis = None if exit.is_success else Diagnosis(cause=cause, summary=f"because of {cause}")
    return Attempt(number=1, started_at=0, exit=exit, start_step=start, checkpoint_step=saved, diagnosis=diagnosis)


def finished(*, reason: Reason | None = None, stopped: bool = False) -> Finished:
    return Finished(at=0, step=10, reason=reason, stopped=stopped)


@pytest.mark.parametrize(
    ("kind", "exit", "said", "stop_requested", "decision"),
    [
        pytest.param(Kind.COMMAND, DONE, None, False, Succeed(Reason.COMMAND_DONE), id="command done"),
        pytest.param(
            Kind.TRAIN, DONE, finished(reason=Reason.MAX_STEPS), False, Succeed(Reason.MAX_STEPS), id="all steps done"
        ),
        pytest.param(
            Kind.TRAIN, DONE, finished(reason=Reason.EARLY_STOP), False, Succeed(Reason.EARLY_STOP), id="early stop"
        ),
        pytest.param(Kind.TRAIN, DONE, finished(stopped=True), True, Stop(), id="saved and stopped as asked"),
        pytest.param(Kind.COMMAND, DONE, None, True, Stop(), id="command ended well when asked to stop"),
        pytest.param(Kind.COMMAND, KILLED, None, True, Stop(), id="command killed when asked to stop"),
        pytest.param(
            Kind.TRAIN, DONE, finished(reason=Reason.MAX_STEPS), True, Succeed(Reason.MAX_STEPS),
            id="done before the stop came",
        ),
        pytest.param(
            Kind.TRAIN, UNKNOWN, finished(reason=Reason.MAX_STEPS), False, Succeed(Reason.MAX_STEPS),
            id="exit unknown but the trainer said done",
        ),
        pytest.param(Kind.TRAIN, UNKNOWN, None, True, Stop(), id="exit unknown when asked to stop"),
    ],
)  # fmt: skip
def test_an_end_that_is_no_failure_ends_the_run(
    kind: Kind, exit: Exit, said: Finished | None, stop_requested: bool, decision: Decision
) -> None:
    assert decide(kind, POLICY, [attempt(exit)], said, stop_requested=stop_requested) == decision


@pytest.mark.parametrize(
    ("exit", "said"),
    [
        pytest.param(CRASHED, None, id="crash"),
        pytest.param(KILLED, None, id="killed"),
        pytest.param(UNKNOWN, None, id="unknown exit is no success"),
        pytest.param(CRASHED, finished(reason=Reason.MAX_STEPS), id="said done but crashed after it"),
        pytest.param(KILLED, finished(stopped=True), id="ranks saved after torchrun was killed"),
        pytest.param(DONE, finished(stopped=True), id="stopped by somebody else"),
        pytest.param(UNKNOWN, finished(stopped=True), id="stopped by somebody else, exit unknown"),
    ],
)
def test_any_other_end_is_tried_again(exit: Exit, said: Finished | None) -> None:
    decision = decide(Kind.TRAIN, POLICY, [attempt(exit)], said, stop_requested=False)
    assert isinstance(decision, Restart)
    assert decision.delay_s == 5


@pytest.mark.parametrize("cause", sorted(NEVER_RETRIED))
def test_what_would_fail_again_is_not_tried_again(cause: Cause) -> None:
    decision = decide(Kind.TRAIN, POLICY, [attempt(cause=cause)], None, stop_requested=False)
    assert isinstance(decision, GiveUp)
    assert f"because of {cause}" in decision.why


def test_a_refused_configuration_is_not_tried_again_but_a_command_may_use_exit_2_as_it_likes() -> None:
    refused = attempt(Exit(at=0, code=2))
    assert isinstance(decide(Kind.TRAIN, POLICY, [refused], None, stop_requested=False), GiveUp)
    assert isinstance(decide(Kind.COMMAND, POLICY, [refused], None, stop_requested=False), Restart)


def test_the_wait_grows_and_then_the_run_gives_up() -> None:
    failures = [attempt() for _ in range(3)]
    decisions = [decide(Kind.TRAIN, POLICY, failures[:n], None, stop_requested=False) for n in (1, 2, 3)]
    assert [decision.delay_s for decision in decisions if isinstance(decision, Restart)] == [5, 10]
    assert isinstance(decisions[2], GiveUp)
    assert decisions[2].why == "because of EXITED; 3 attempts in a row without a new checkpoint"


def test_a_new_checkpoint_refills_the_budget() -> None:
    attempts = [attempt(), attempt(), attempt(saved=100), attempt(start=100, saved=100)]
    assert failures_without_progress(attempts) == 2
    assert failures_without_progress(attempts[:3]) == 1


LIVE = Attempt(number=3, started_at=0, start_step=100)


@pytest.mark.parametrize(
    ("attempts", "checkpoint", "spent"),
    [
        ([], None, 0),
        ([attempt(), attempt()], None, 2),
        ([attempt(), attempt(), LIVE], None, 2),
        ([attempt(), attempt(), LIVE], CheckpointSaved(at=1, attempt=3, step=100, path="c"), 2),
        ([attempt(), attempt(), LIVE], CheckpointSaved(at=1, attempt=2, step=150, path="c"), 2),
        ([attempt(), attempt(), LIVE], CheckpointSaved(at=1, attempt=3, step=150, path="c"), 0),
    ],
    ids=["none yet", "between two", "begun again", "saved the same again", "saved before", "saved something new"],
)
def test_the_budget_is_spent_by_failures_until_something_new_is_saved(
    attempts: list[Attempt], checkpoint: CheckpointSaved | None, spent: int
) -> None:
    assert restarts_spent(attempts, checkpoint) == spent


def test_failing_forever_at_the_same_step_gives_up_although_checkpoints_exist() -> None:
    attempts = [attempt(saved=100), *[attempt(start=100, saved=100)] * 2]
    assert isinstance(decide(Kind.TRAIN, POLICY, attempts, None, stop_requested=False), GiveUp)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50))
def test_a_run_that_always_saves_something_new_is_restarted_for_ever(gains: list[int]) -> None:
    attempts, step = [], 0
    for gain in gains:
        attempts.append(attempt(KILLED, start=step, saved=step + gain))
        step += gain
    assert decide(Kind.TRAIN, POLICY, attempts, None, stop_requested=False).__class__ is Restart


def test_reboots_cost_nothing_of_the_budget() -> None:
    attempts = [attempt(UNKNOWN, cause=Cause.REBOOT) for _ in range(10)]
    assert isinstance(decide(Kind.TRAIN, RestartPolicy(budget=0), attempts, None, stop_requested=False), Restart)


def test_without_budget_the_first_failure_is_final() -> None:
    decision = decide(Kind.COMMAND, RestartPolicy(budget=0), [attempt()], None, stop_requested=False)
    assert isinstance(decision, GiveUp)
    assert decision.why == "because of EXITED; no restart is allowed"


@given(st.integers(0, 10_000), st.floats(0, 100), st.floats(1, 10), st.floats(0, 1000))
def test_the_wait_never_exceeds_its_cap_and_never_shrinks(
    failures: int, first: float, factor: float, cap: float
) -> None:
    policy = RestartPolicy(budget=1, backoff_s=first, backoff_factor=factor, backoff_cap_s=cap)
    assert 0 <= backoff_s(policy, failures) <= cap
    assert backoff_s(policy, failures) <= backoff_s(policy, failures + 1)


@pytest.mark.parametrize(
    ("exit", "rebooted", "said", "cause"),
    [
        pytest.param(DONE, False, None, None, id="success"),
        pytest.param(DONE, False, finished(stopped=True), Cause.PREEMPTED, id="stopped by somebody else"),
        pytest.param(CRASHED, False, None, Cause.EXITED, id="exit code"),
        pytest.param(KILLED, False, None, Cause.KILLED, id="signal"),
        pytest.param(UNKNOWN, True, None, Cause.REBOOT, id="another boot"),
        pytest.param(UNKNOWN, False, None, Cause.UNKNOWN, id="nobody saw it"),
    ],
)
def test_the_exit_alone_tells_this_much(exit: Exit, rebooted: bool, said: Finished | None, cause: Cause | None) -> None:
    diagnosis = plain_diagnosis(exit, rebooted=rebooted, finished=said)
    assert (diagnosis.cause if diagnosis else None) == cause
