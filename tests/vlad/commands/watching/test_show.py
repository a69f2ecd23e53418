"""vlad show and vlad why: everything about one run, and why it ended."""

from command_line import Story, Vlad
from supervised_runs import Lab
from vlad.policy.advice import Advice
from vlad.records.outcome import Cause, Diagnosis
from vlad.records.progress import Phase, PhaseChange, Reason
from vlad.records.run import State


def test_show_tells_everything_about_a_run(vlad: Vlad, training: Story) -> None:
    out = vlad("show", "spatial").out
    expected = (
        *("RUNNING training", "40/100", "2m 00s", "0.2500", "60% at step 40", "2/5", "step 40: /adapters/40"),
        *("one episode is 10 points", "6 of 10", "10% to 90%", "/my.yaml", "pts/7", str(training.run.path)),
    )
    for told in expected:
        assert told in out, told


def test_show_tells_what_a_run_is_a_part_of_and_which_parts_it_has(vlad: Vlad, lab: Lab, training: Story) -> None:
    part = Story(lab, "eval-step40", part_of=training.run.run_id).attempt()
    part.reported(PhaseChange(at=5, phase=Phase.EVALUATING, step=40, done=3, total=20))
    gone = Story(lab, "eval-step20", part_of=training.run.run_id).attempt().moved(State.SUCCEEDED)
    assert f"part of  {training.run.run_id}" in vlad("show", "eval-step40").out
    out = vlad("show", "last").out
    assert f"{part.run.run_id} RUNNING evaluating 3/20" in out
    assert gone.run.run_id not in out


def test_show_as_json_has_spec_and_evaluations(vlad: Vlad, training: Story) -> None:
    document = vlad("show", "last", "--json").json
    assert document["spec"]["kind"] == "train"
    assert document["evaluations"][0]["success_rate"] == 60.0
    assert document["directory"] == str(training.run.path)


def test_why_tells_cause_evidence_and_advice(vlad: Vlad, failed: Story) -> None:
    out = vlad("why", "greedy").out
    assert "CUDA_OUT_OF_MEMORY, certain, rank 1" in out
    assert f"{failed.run.path}/attempts/1/console.log, from byte 17" in out
    assert "an allocation failed\n" in out
    assert "the next line\n" in out
    assert "lower batch_size" in out
    assert "6 attempts in a row" in out
    assert "\x1b" not in out


def test_a_cause_that_the_end_names_is_said_once(vlad: Vlad, failed: Story) -> None:
    head = vlad("show", "greedy").out.partition("\n\n")[0]
    diagnosis = failed.run.read_record().diagnosis
    assert diagnosis is not None
    assert head.count(diagnosis.summary) == 1
    assert f"`vlad why {failed.run.run_id}` quotes it" in head


def test_why_as_json(vlad: Vlad, failed: Story) -> None:
    document = vlad("why", "greedy", "--json").json
    assert document["attempts"][0]["diagnosis"]["cause"] == "CUDA_OUT_OF_MEMORY"


def test_why_of_a_healthy_run_says_how_it_stands(vlad: Vlad, training: Story) -> None:
    out = vlad("why", "spatial").out
    assert out.splitlines()[0] == f"{training.run.run_id} RUNNING"
    assert "1  not ended" in out


def test_why_of_a_run_that_was_restarted_tells_why_it_had_to_be(vlad: Vlad, lab: Lab) -> None:
    killed = Diagnosis(
        cause=Cause.KILLED, summary="rank 1 was killed by SIGKILL", rank=1, advice=Advice.NOT_OUT_OF_MEMORY
    )
    story = Story(lab, "spatial").attempt().ended(killed, signal=9).moved(State.BACKOFF, why="killed")
    assert "since    it will be restarted\n" in vlad("why", "spatial").out
    story.attempt()
    out = vlad("why", "spatial").out
    assert out.splitlines()[0] == f"{story.run.run_id} RUNNING"
    assert "attempt  1\ncause    KILLED" in out
    assert "  2  not ended" in out
    assert "since    it was restarted" in out
    assert "no kill for lack of memory\n" in out, "nobody needs to resume it"
    story.ended(killed, signal=9).moved(State.FAILED, why="killed")
    assert f"; `vlad resume {story.run.run_id}` starts it again" in vlad("why", "spatial").out
    story.attempt().ended(code=0).moved(State.SUCCEEDED, reason=Reason.MAX_STEPS)
    out = vlad("why", "spatial").out
    assert "SUCCEEDED after" in out.splitlines()[0]
    assert out.splitlines()[0].endswith(": max steps")
    assert "cause" not in out
