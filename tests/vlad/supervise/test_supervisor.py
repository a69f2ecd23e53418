"""The supervisor: states, exits, restarts and stops of real jobs."""

import sys

import pytest
from patience import until
from supervised_runs import Lab
from vlad.host.processes import read_stat
from vlad.records.outcome import Cause
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import RungReached, State, StopRung
from vlad.records.spec import Kind, RestartPolicy, StopLadder
from vlad.supervise import control, detach, locks

QUICK = RestartPolicy(budget=3, backoff_s=0.05, backoff_cap_s=0.2)


@pytest.mark.parametrize(
    ("script", "state", "code", "signal"),
    [
        pytest.param("echo done; exit 0", State.SUCCEEDED, 0, None, id="exit 0"),
        pytest.param("echo failed; exit 3", State.FAILED, 3, None, id="exit 3"),
        pytest.param("kill -9 $$", State.FAILED, None, 9, id="killed by signal 9"),
    ],
)
def test_the_exit_of_a_command_is_true(
    lab: Lab, script: str, state: State, code: int | None, signal: int | None
) -> None:
    run = lab.start("bash", "-c", script)
    record = run.until_ended()
    assert record.state is state
    assert record.attempts[0].exit is not None
    assert (record.attempts[0].exit.code, record.attempts[0].exit.signal) == (code, signal)
    assert run.directory.attempt(1).read_exit() == record.attempts[0].exit


def test_a_command_that_succeeds_is_done(lab: Lab) -> None:
    record = lab.start("true").until_ended()
    assert record.reason is Reason.COMMAND_DONE
    assert record.diagnosis is None


def test_standard_output_and_error_are_in_the_console_log_in_order(lab: Lab) -> None:
    run = lab.start("bash", "-c", "echo one; echo two >&2; echo three")
    run.until_ended()
    assert run.console() == "one\ntwo\nthree\n"


def test_a_program_that_does_not_exist_is_named_and_never_retried(lab: Lab) -> None:
    record = lab.start("no-such-program", restart=QUICK).until_ended()
    assert record.state is State.FAILED
    assert len(record.attempts) == 1
    assert record.diagnosis is not None
    assert record.diagnosis.cause is Cause.CANNOT_START
    assert "no-such-program" in record.diagnosis.summary


def test_a_failing_command_is_restarted_as_often_as_its_budget_says(lab: Lab) -> None:
    record = lab.start("bash", "-c", "exit 3", restart=QUICK).until_ended()
    assert record.state is State.FAILED
    assert [attempt.exit.code for attempt in record.attempts if attempt.exit] == [3, 3, 3, 3]
    assert "4 attempts in a row without a new checkpoint" in record.why


def test_a_training_run_counts_to_its_end(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "8"), kind=Kind.TRAIN)
    record = run.until_ended()
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.MAX_STEPS)
    assert record.attempts[0].end_step == record.attempts[0].checkpoint_step == 8


def test_a_failed_attempt_goes_on_from_its_last_checkpoint(lab: Lab) -> None:
    """One rank: with two, the one that is told to stop because the other failed may save once more."""
    job = lab.counting("--steps", "12", "--save-steps", "4", "--fail-at", "6", ranks=1)
    run = lab.start(*job, kind=Kind.TRAIN, restart=RestartPolicy(budget=1, backoff_s=0.05))
    record = run.until_ended()
    assert [attempt.start_step for attempt in record.attempts] == [None, 4]
    assert record.attempts[1].resumed_from == str(lab.path / "checkpoint-4")
    assert run.console(2).startswith("rank 0 step 5\n")
    assert record.state is State.FAILED


def test_a_stopped_training_run_saves_first(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "5000", "--save-steps", "1000"), kind=Kind.TRAIN)
    run.until_step(3)
    run.ask(Action.STOP)
    record = run.until_ended()
    assert record.state is State.STOPPED
    attempt = record.attempts[0]
    assert attempt.exit is not None
    assert attempt.exit.code == 0
    assert attempt.checkpoint_step == attempt.end_step
    assert not list(run.directory.trainer_requests.iterdir())
    assert run.workers() == []


def test_a_stopped_run_resumes_where_it_saved(lab: Lab) -> None:
    enough = lab.path / "enough"
    job = lab.counting("--steps", "1000000", "--save-steps", "1000000", "--until", str(enough))
    run = lab.start(*job, kind=Kind.TRAIN)
    run.until_step(3)
    run.ask(Action.STOP)
    stopped = run.until_ended()
    enough.touch()
    control.resume(run.directory)
    run.until_state(State.STARTING, State.RUNNING, State.SUCCEEDED)
    record = run.until_ended()
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.MAX_STEPS)
    assert record.attempts[1].start_step == stopped.attempts[0].end_step
    assert record.first_attempt == 2


@pytest.mark.parametrize("ignoring", [pytest.param((), id="polite"), pytest.param(("--ignore-stop",), id="stubborn")])
def test_stop_now_ends_every_process_and_climbs_no_further_than_needed(lab: Lab, ignoring: tuple[str, ...]) -> None:
    ladder = StopLadder(request_grace_s=60, term_grace_s=0.3 if ignoring else 60, kill_grace_s=20)
    run = lab.start(*lab.counting("--steps", "1000000", *ignoring), kind=Kind.TRAIN, stop=ladder)
    run.until_all_count()
    run.ask(Action.STOP_NOW)
    record = run.until_ended()
    assert record.state is State.STOPPED
    assert run.workers() == []
    rungs = [event.rung for event in run.events if isinstance(event, RungReached)]
    assert rungs == ([StopRung.TERM, StopRung.KILL] if ignoring else [StopRung.TERM])


def test_a_trainer_that_does_not_answer_is_stopped_harder_rung_by_rung(lab: Lab) -> None:
    ladder = StopLadder(request_grace_s=0.2, term_grace_s=0.2, kill_grace_s=5)
    run = lab.start(*lab.counting("--steps", "5000", "--ignore-stop"), kind=Kind.TRAIN, stop=ladder)
    run.until_all_count()
    run.ask(Action.STOP)
    run.until_ended()
    rungs = [event.rung for event in run.events if isinstance(event, RungReached)]
    assert rungs == [StopRung.REQUEST, StopRung.TERM, StopRung.KILL]
    assert run.workers() == []


def test_each_rung_is_journaled_with_its_grace_and_so_is_that_of_what_is_left_behind(lab: Lab) -> None:
    ladder = StopLadder(request_grace_s=0.2, term_grace_s=0.3, kill_grace_s=5)
    run = lab.start(*lab.counting("--steps", "5000", "--ignore-stop", "--loader"), kind=Kind.TRAIN, stop=ladder)
    run.until_all_count()
    run.ask(Action.STOP)
    run.until_ended()
    rungs = {event.rung: event.grace_s for event in run.events if isinstance(event, RungReached)}
    assert rungs == {StopRung.REQUEST: 0.2, StopRung.TERM: 0.3, StopRung.KILL: 5}
    ended = lab.start("bash", "-c", "setsid sleep 600 & sleep 0.1", stop=ladder)
    ended.until_ended()
    assert any("SIGKILL follows after 0.3 s" in message for message in ended.messages())
    assert run.workers() == ended.workers() == []


def test_a_stop_beats_a_restart_that_waits(lab: Lab) -> None:
    run = lab.start("bash", "-c", "exit 3", restart=RestartPolicy(budget=5, backoff_s=3600))
    run.until_state(State.BACKOFF)
    run.ask(Action.STOP)
    record = run.until_ended()
    assert record.state is State.STOPPED
    assert len(record.attempts) == 1


def test_a_stop_before_the_start_starts_nothing(lab: Lab) -> None:
    run = lab.create(lab.spec("touch", str(lab.path / "executed")))
    run.ask(Action.STOP)
    detach.start(run.directory)
    assert run.until_ended().state is State.STOPPED
    assert not (lab.path / "executed").exists()


def test_a_save_request_reaches_the_trainer_and_is_cleared_when_answered(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "5000", "--save-steps", "1000"), kind=Kind.TRAIN)
    run.until_step(2)
    run.ask(Action.SAVE)
    until(lambda: list(lab.path.glob("checkpoint-*[0-9]")), "checkpoint")
    until(lambda: not list(run.directory.trainer_requests.iterdir()), "request cleared")
    assert run.record.state is State.RUNNING


def test_processes_in_sessions_of_their_own_do_not_outlive_their_agent(lab: Lab) -> None:
    """With a clean environment and another stdin nothing but their descent tells whose they are."""
    daemon = f"setsid env -i {sys.executable} -c 'import time; time.sleep(600)' </dev/null & echo $!; "
    run = lab.start("bash", "-c", f"{daemon} setsid sleep 600 </dev/null & sleep 0.1; exit 0")
    record = run.until_ended()
    assert record.state is State.SUCCEEDED
    pid = int(run.console().split()[0])
    assert run.workers() == []
    assert "ends 2 processes" in "".join(run.messages())
    until(lambda: read_stat(pid) is None, "reaped by whoever has it now")


def test_the_lock_is_held_while_the_run_lives_and_free_after(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    run.until_state(State.RUNNING)
    assert locks.is_locked(run.directory.lock)
    run.ask(Action.STOP)
    run.until_ended()
    until(lambda: not locks.is_locked(run.directory.lock), "lock free")


def test_the_job_has_no_terminal_and_no_descriptor_of_ours(lab: Lab) -> None:
    run = lab.start("bash", "-c", "ls /proc/self/fd | wc -l; ps -o tty= -p $$; ps -o sid= -p $$; echo $$")
    run.until_ended()
    descriptors, tty, session, pid = run.console().split()
    assert int(descriptors) == 4  # stdin, stdout, stderr and the folder that ls reads
    assert tty == "?"
    assert session == pid


def test_an_ended_run_cannot_be_asked_but_resumed(lab: Lab) -> None:
    run = lab.start("true")
    run.until_ended()
    with pytest.raises(Exception, match="SUCCEEDED already"):
        control.ask(run.directory, Action.STOP)
    control.resume(run.directory)
    until(lambda: len(run.record.attempts) == 2, "second attempt")
    assert run.until_ended().state is State.SUCCEEDED


def test_a_run_that_goes_on_cannot_be_resumed(lab: Lab) -> None:
    run = lab.start("sleep", "600")
    run.until_state(State.RUNNING)
    with pytest.raises(Exception, match="goes on by itself"):
        control.resume(run.directory)
