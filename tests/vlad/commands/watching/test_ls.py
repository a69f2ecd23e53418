"""vlad ls: live runs first, figures in one line, and only the last few of the past."""

import time

from command_line import Story, Vlad
from supervised_runs import Lab
from vlad.commands.watching.overview import Overview
from vlad.records.outcome import Cause, Diagnosis
from vlad.records.progress import Phase, PhaseChange, Reason
from vlad.records.run import State
from vlad.records.summary import of_attempt
from vlad.records.summary_reading import read_summary


def test_without_runs_it_says_how_to_start_one(vlad: Vlad) -> None:
    answer = vlad("ls")
    assert (answer.code, answer.out) == (0, "")
    assert "`vlad start`" in answer.err


def test_a_running_run_is_one_line_of_figures(vlad: Vlad, training: Story) -> None:
    titles, line = vlad("ls").out.splitlines()
    assert titles.split() == ["RUN", "STATE", "STEP", "ETA", "LOSS", "SUCCESS", "STOP", "RANKS", "TTY", "AGE"]
    assert line.split() == [
        training.run.run_id, "RUNNING", "training", "40/100", "2m", "00s", "0.2500", "60%", "of", "10", "2/5", "2",
        "pts/7", "0s",
    ]  # fmt: skip


def test_how_far_an_evaluation_is_stands_beside_it_until_another_attempt_begins(vlad: Vlad, lab: Lab) -> None:
    story = Story(lab, "spatial").attempt()
    story.reported(PhaseChange(at=time.time(), phase=Phase.EVALUATING, step=40, done=3, total=20))
    assert "RUNNING evaluating 3/20 " in vlad("ls").out
    story.ended(signal=9).moved(State.BACKOFF)
    told = read_summary(story.run).summary
    assert Overview.read(story.run, time.time()).summary == of_attempt(told, 2), "between two attempts nothing goes on"
    story.attempt()
    assert "evaluating" not in vlad("ls").out


def test_runs_are_listed_live_ones_first_then_by_age(vlad: Vlad, lab: Lab) -> None:
    old = Story(lab, "zebra").attempt()
    done = Story(lab, "done").attempt().ended(code=0).moved(State.SUCCEEDED, reason=Reason.EARLY_STOP)
    new = Story(lab, "ant").attempt()
    lines = vlad("ls").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [story.run.run_id for story in (new, old, done)]
    assert "SUCCEEDED early stop" in lines[2]


def test_parts_stand_below_their_run_and_when_they_have_ended_only_in_the_whole_list(vlad: Vlad, lab: Lab) -> None:
    old = Story(lab, "spatial", time.time() - 600).attempt().run
    done = Story(lab, "eval-step20", part_of=old.run_id).attempt().moved(State.SUCCEEDED).run
    now = Story(lab, "eval-step40", part_of=old.run_id).attempt().run
    other = Story(lab, "other").attempt().run
    told = [line.split("  ")[0] for line in vlad("ls").out.splitlines()[1:]]
    assert told == [other.run_id, old.run_id, f"└ {now.run_id}"]
    assert f"{done.run_id} of spatial  " in vlad("ls", "--all").out
    assert {one["run_id"]: one["part_of"] for one in vlad("ls", "--json").json}[now.run_id] == old.run_id


def test_of_ended_runs_only_the_last_few_are_read(vlad: Vlad, lab: Lab) -> None:
    now = time.time()
    for number in range(8):
        story = Story(lab, f"run{number}", now - 600 * (8 - number)).attempt().ended(code=0)
        story.moved(State.SUCCEEDED)
        if number < 3:
            story.run.state.write_bytes(b"\0" * 100)
            story.run.events.write_bytes(b"")
    few, every = vlad("ls"), vlad("ls", "--all")
    assert few.err == "vlad: runs that ended earlier are left out; `vlad ls --all` lists them\n"
    assert len(few.out.splitlines()) == 1 + 5
    assert "left out" not in every.err
    assert every.err.count("neither a readable state.json nor a journal") == 3


def test_a_long_run_that_has_just_ended_is_among_the_last(vlad: Vlad, lab: Lab) -> None:
    now = time.time()
    long = Story(lab, "long", now - 90_000).attempt()
    for number in range(6):
        Story(lab, f"run{number}", now - 600 * (6 - number)).attempt().ended(code=0).moved(State.SUCCEEDED)
    long.ended(code=0).moved(State.SUCCEEDED)
    out = vlad("ls").out
    assert long.run.run_id in out
    assert "-run1-" not in out


def test_the_list_as_json_has_record_progress_and_eta(vlad: Vlad, training: Story) -> None:
    (one,) = vlad("ls", "--json").json
    assert (one["run_id"], one["state"], one["eta_s"]) == (training.run.run_id, "RUNNING", 120.0)
    assert one["progress"]["loss"] == 0.25


def test_a_failed_run_shows_its_cause(vlad: Vlad, failed: Story, lab: Lab) -> None:
    bare = Diagnosis(cause=Cause.EXITED, summary="it ended with exit code 3")
    Story(lab, "bare").attempt().ended(bare, code=3).moved(State.FAILED)
    out = vlad("ls").out
    assert "FAILED cuda out of memory" in out
    assert "FAILED exit 3" in out
