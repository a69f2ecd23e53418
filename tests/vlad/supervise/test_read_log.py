"""Programs that are not our trainer: their log becomes progress and evaluations, and they are stopped early."""

import os
import sys
from pathlib import Path

import pytest
from command_line import Vlad
from patience import until
from supervised_runs import Lab
from vlad.records.progress import Reason, Step
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.rundir import RunDirectory
from vlad.supervise.read_log import LogReader

WAITS = "trap 'exit 143' TERM; while :; do sleep 0.05; done"
EVALUATIONS = (
    'for s in 1 2 3 4; do echo "[train] step $s loss 0.5"; echo "[eval] step $s success_rate=$((50 / s))%"; done'
)


@pytest.fixture
def run(lab: Lab) -> RunDirectory:
    """A run whose log a test writes."""
    directory = lab.create(lab.spec("true")).directory
    directory.attempt(1).path.mkdir(parents=True)
    return directory


def reader_of(run: RunDirectory) -> LogReader:
    return LogReader(run, run.read_spec(), 1)


def write(run: RunDirectory, text: str) -> None:
    with run.attempt(1).console.open("a") as log:
        log.write(text)


def reported_steps(run: RunDirectory) -> list[int]:
    return [line.step for line in run.read_progress()[0] if isinstance(line, Step)]


def test_lines_are_reported_once_they_are_complete(run: RunDirectory) -> None:
    reader = reader_of(run)
    write(run, "[train] step 1 loss 0.5\n[train] step 2 lo")
    reader.read_new(1.0)
    assert reported_steps(run) == [1]
    write(run, "ss 0.25\n")
    reader.read_new(2.0)
    assert reported_steps(run) == [1, 2]


def test_a_reader_that_follows_a_killed_one_reports_nothing_twice(run: RunDirectory) -> None:
    reader = reader_of(run)
    write(run, "[train] step 1 loss 0.5\n[eval] step 1 success_rate=10%\n")
    place = run.attempt(1).path / "reading.json"
    before = place.read_bytes()
    reader.read_new(1.0)
    place.write_bytes(before)  # killed before it could write how far it came
    write(run, "[train] step 2 loss 0.5\n[eval] step 2 success_rate=20%\n")
    reader_of(run).read_new(2.0)
    assert reported_steps(run) == [1, 2]
    assert [one.step for one in run.read_evaluations()] == [1, 2]


def test_a_reader_gives_way_to_a_program_that_reports_itself(run: RunDirectory) -> None:
    reader = reader_of(run)
    run.progress.touch()
    write(run, "[train] step 1 loss 0.5\n")
    reader.read_new(1.0)
    reader_of(run).read_new(2.0)
    LogReader(run, run.read_spec(), 2).read_new(3.0)
    assert run.progress.read_bytes() == b""


def test_a_log_that_was_cut_is_read_from_its_start(run: RunDirectory) -> None:
    reader = reader_of(run)
    write(run, "[train] step 100 loss 0.5\n" * 3)
    reader.read_new(1.0)
    os.truncate(run.attempt(1).console, 0)
    write(run, "[train] step 1 loss 0.5\n")
    reader.read_new(2.0)
    assert reported_steps(run) == [100, 1]


def test_a_line_longer_than_any_memory_is_passed_over(run: RunDirectory) -> None:
    reader = reader_of(run)
    write(run, "x" * 1_000_000 + "\n[train] step 1 loss 0.5\n")
    while reader.read_new(1.0):
        pass
    assert reported_steps(run) == [1]


def test_a_command_is_followed_and_stopped_early(vlad: Vlad) -> None:
    run = vlad.started("--early-stop", "patience=3,min_delta=0.1", "--", "bash", "-c", f"{EVALUATIONS}; {WAITS}")
    record = run.until_ended()
    assert (record.state, record.reason, record.early_stopped) == (State.SUCCEEDED, Reason.EARLY_STOP, True)
    assert "3 evaluations without improvement; best 50.0 % at step 1" in record.why
    assert State.STOPPING in run.states
    assert reported_steps(run.directory) == [1, 2, 3, 4]
    assert [one.bad_evaluations for one in run.directory.read_evaluations()] == [0, 1, 2, 3]
    assert record.attempts[0].end_step == 4


def test_a_resumed_command_goes_on_until_it_fails_to_improve_again(vlad: Vlad) -> None:
    script = f"[ $VLAD_ATTEMPT = 1 ] && {{ {EVALUATIONS}; }} || echo '[train] step 9 loss 0.1'; {WAITS}"
    run = vlad.started("--early-stop", "patience=3", "--", "bash", "-c", script)
    run.until_ended()
    assert vlad("resume", run.directory.run_id).code == 0
    until(lambda: reported_steps(run.directory)[-1] == 9, run)
    assert run.record.state is State.RUNNING
    run.ask(Action.STOP_NOW)
    assert run.until_ended().state is State.STOPPED


def test_the_last_lines_of_a_command_count_too(vlad: Vlad) -> None:
    run = vlad.started("--", "bash", "-c", "echo '[train] step 5 loss 0.5'; echo '[eval] step 5 success_rate=40%'")
    record = run.until_ended()
    assert (record.state, record.attempts[0].end_step) == (State.SUCCEEDED, 5)
    assert vlad("show", run.directory.run_id, "--json").json["progress"]["last_evaluation"]["success_rate"] == 40
    assert "0 of 0" not in vlad("show", run.directory.run_id).out
    listed = vlad("ls").out
    assert "40%" in listed
    assert " of " not in listed


def test_a_program_that_uses_the_report_is_never_parsed(vlad: Vlad, tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(
        "from vlad.report import Reporter\nfrom vlad.records.progress import Step\n"
        "reporter = Reporter.from_environment()\nprint('[train] step 77 loss 1', flush=True)\n"
        "reporter.progress(Step(at=1.0, step=3))\n"
    )
    run = vlad.started("--", sys.executable, str(script))
    run.until_ended()
    assert reported_steps(run.directory) == [3]


def test_own_patterns_are_taken_from_a_file(vlad: Vlad, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("patterns:\n  - step: 'it=(?P<step>\\d+)'\n")
    run = vlad.started("--log-patterns", str(file), "--", "bash", "-c", "echo it=12")
    assert run.until_ended().attempts[0].end_step == 12


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(["--early-stop", "patience=x", "--", "true"], "patience", id="no number"),
        pytest.param(["--early-stop", "patience=0", "--", "true"], "at least 1", id="no patience"),
        pytest.param(["--early-stop", "min_delta=200", "--", "true"], "percentage points", id="no delta"),
        pytest.param(["--early-stop", "patience=5"], "PATIENCE", id="our trainer has its own"),
        pytest.param(["--log-patterns", "missing.yaml", "--", "true"], "missing.yaml", id="no file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(vlad: Vlad, words: list[str], complaint: str) -> None:
    answer = vlad("start", *words)
    assert (answer.code, answer.out) == (2, "")
    assert complaint in answer.err
