"""Hang detection: real programs that hang are noticed, looked into, told about, and restarted where that is wanted."""

import os
import signal
import sys
from pathlib import Path

import pytest
from letterbox import letterbox
from patience import until
from supervised_runs import Lab, Run, kill
from vlad.records.outcome import Cause
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import RungReached, State, StopRung, WentQuiet
from vlad.records.spec import HangPolicy, Kind, OnHang, RestartPolicy, StopLadder

RESTARTING = HangPolicy(action=OnHang.RESTART, after_s=2.0, other_s=60)
REPORTING = HangPolicy(action=OnHang.REPORT, after_s=0.8, other_s=0.8)
ONCE = RestartPolicy(budget=1, backoff_s=0.05)
LADDER = StopLadder(request_grace_s=20, term_grace_s=0.2, kill_grace_s=5)
FUNCTION = "waits_for_a_rank_that_never_comes"


def hung_training(lab: Lab, restart: RestartPolicy, hang: HangPolicy = RESTARTING) -> Run:
    job = lab.counting("--steps", "8", "--save-steps", "3", "--hang-at", "5", "--ignore-stop")
    return lab.start(*job, kind=Kind.TRAIN, restart=restart, stop=LADDER, hang=hang)


def until_hung(run: Run) -> None:
    until(lambda: (quiet := run.record.quiet) is not None and quiet.is_hung, run)


def test_a_hung_training_run_is_dumped_ended_and_restarted_from_its_checkpoint(lab: Lab) -> None:
    run = hung_training(lab, ONCE)
    record = run.until_ended()
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.MAX_STEPS)
    first, second = record.attempts
    assert second.start_step == 3
    assert first.diagnosis is not None
    assert first.diagnosis.cause is Cause.HUNG
    assert first.diagnosis.summary.startswith("hung: no step for ")
    assert [one.text.split(",")[0] for one in first.diagnosis.evidence] == ["rank 0", "rank 1"]
    for evidence in first.diagnosis.evidence:
        assert FUNCTION in evidence.text
        dump = (run.directory.path / evidence.file).read_bytes()
        assert dump[evidence.offset :].startswith((b"Thread", b"Current thread"))
    assert run.workers() == []


def test_a_hung_run_is_ended_without_being_asked_to_save(lab: Lab) -> None:
    run = hung_training(lab, ONCE)
    run.until_ended()
    rungs = [event.rung for event in run.events if isinstance(event, RungReached)]
    assert rungs == [StopRung.TERM, StopRung.KILL]


def test_a_hang_costs_a_restart_of_the_budget(lab: Lab) -> None:
    record = hung_training(lab, RestartPolicy(budget=0)).until_ended()
    assert record.state is State.FAILED
    assert record.diagnosis is not None
    assert record.diagnosis.cause is Cause.HUNG


def test_a_stop_beats_the_restart_of_a_hung_run(lab: Lab) -> None:
    slow = StopLadder(request_grace_s=20, term_grace_s=60, kill_grace_s=5)
    job = lab.counting("--steps", "8", "--hang-at", "2", "--ignore-stop")
    run = lab.start(*job, kind=Kind.TRAIN, restart=ONCE, stop=slow, hang=RESTARTING)
    until(lambda: run.record.rung is StopRung.TERM, run)
    run.ask(Action.STOP)
    run.until_state(State.STOPPING)
    for pid in run.workers():
        os.kill(pid, signal.SIGKILL)
    assert run.until_ended().state is State.STOPPED


def test_a_supervisor_killed_in_the_middle_of_a_hang_is_replaced_by_one_that_restarts_the_run(lab: Lab) -> None:
    slow = StopLadder(request_grace_s=20, term_grace_s=1, kill_grace_s=5)
    job = lab.counting("--steps", "8", "--save-steps", "3", "--hang-at", "5", "--ignore-stop")
    run = lab.start(*job, kind=Kind.TRAIN, restart=ONCE, stop=slow, hang=RESTARTING)
    until_hung(run)
    _, supervisor = run.guard()
    kill(supervisor)
    record = run.until_ended()
    assert record.state is State.SUCCEEDED
    assert record.attempts[0].diagnosis is not None
    assert record.attempts[0].diagnosis.cause is Cause.HUNG


def test_a_silence_is_told_before_it_counts_as_a_hang_and_forgotten_when_it_ends(lab: Lab, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    quick = HangPolicy(action=OnHang.RESTART, after_s=10, other_s=120)
    job = lab.counting("--steps", "6", "--hang-at", "2", "--hang-until", str(go_on))
    run = lab.start(*job, kind=Kind.TRAIN, hang=quick)
    quiet = until(lambda: run.record.quiet, run)
    go_on.touch()
    assert not quiet.is_hung
    assert quiet.words(quiet.since + 90).startswith("no step for 1m 30s; a step takes ")
    assert quiet.told(quiet.since + 1).endswith("; is restarted in 9s")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.record.quiet is None


def test_a_hung_command_is_reported_with_its_stacks_and_left_alone(lab: Lab, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    job = lab.counting("--steps", "5000", "--hang-at", "2", "--hang-until", str(go_on), ranks=1)
    run = lab.start(*job, hang=REPORTING)
    until_hung(run)
    quiet = run.record.quiet
    assert quiet is not None
    assert run.record.state is State.RUNNING
    assert quiet.words(quiet.since + 60).startswith("nothing in its log for 1m 00s")
    assert quiet.stacks is not None
    assert FUNCTION in (run.directory.path / quiet.stacks).read_text()
    assert FUNCTION in quiet.evidence[0].text
    go_on.touch()
    until(lambda: run.record.quiet is None, run)
    assert run.record.attempts[0].exit is None


def test_a_run_that_somebody_has_stopped_on_purpose_is_not_ended_for_it(lab: Lab) -> None:
    job = lab.counting("--steps", "5000", ranks=1)
    run = lab.start(*job, kind=Kind.TRAIN, restart=ONCE, stop=LADDER, hang=RESTARTING)
    run.until_step(2)
    stopped = run.workers()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    until_hung(run)
    quiet = run.record.quiet
    assert quiet is not None
    assert "is stopped by a signal" in quiet.usual
    assert not quiet.restarts
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    until(lambda: run.record.quiet is None, run)
    assert run.record.state is State.RUNNING
    assert run.record.attempts[0].exit is None


def test_a_run_whose_policy_is_nothing_may_be_silent(lab: Lab, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    script = f"while [ ! -e {ends} ]; do sleep 0.05; done"
    silent = lab.start("bash", "-c", script, hang=HangPolicy(action=OnHang.NOTHING, after_s=0.1, other_s=0.1))
    watched = lab.start("bash", "-c", script, hang=HangPolicy(action=OnHang.REPORT, after_s=0.1, other_s=0.1))
    until_hung(watched)
    assert watched.record.quiet is not None
    assert "state S" in (watched.directory.path / str(watched.record.quiet.stacks)).read_text()
    ends.touch()
    assert silent.until_ended().state is State.SUCCEEDED
    assert not [event for event in silent.events if isinstance(event, WentQuiet)]


def test_the_user_is_told_of_a_hang_that_is_left_alone(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = tmp_path / "vlad" / "config.yaml"
    settings.parent.mkdir()
    with letterbox() as server:
        settings.write_text(f"notify:\n  urls: ['{server.url}']\n  about: [hang]\n")
        run = lab.start(sys.executable, "-c", "import time; time.sleep(600)", hang=REPORTING)
        until(lambda: server.titles, run)
        assert server.titles[0].startswith("test hangs: nothing in its log for ")
        run.ask(Action.STOP_NOW)
        run.until_ended()
