"""vlad stacks: where a live run stands in its code."""

from command_line import Story, Vlad
from patience import until
from supervised_runs import Lab
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import Kind

FUNCTION = "waits_for_a_rank_that_never_comes"


def test_every_rank_is_shown_and_goes_on(lab: Lab, vlad: Vlad) -> None:
    run = lab.start(*lab.counting("--steps", "9", "--hang-at", "3", "--hang-until", "x"), kind=Kind.TRAIN)
    run.until_step(3)
    until(lambda: run.console().count("step 3") == 2, run)
    until(lambda: vlad("stacks", "last").out.count(FUNCTION) == 2, "both ranks wait where they hang")
    shown = vlad("stacks", "last")
    assert shown.code == 0, shown.err
    for rank in (0, 1):
        assert f"== rank {rank}, process " in shown.out
    assert shown.out.count(FUNCTION) == 2
    brief = vlad("stacks", "last", "--brief").out.splitlines()
    assert [line.split(",")[0] for line in brief] == ["rank 0", "rank 1"]
    answer = vlad("stacks", "last", "--json").json
    assert FUNCTION in answer["stands"][0]["text"]
    assert answer["file"].startswith(str(run.directory.attempt(1).stacks))
    (lab.path / "x").touch()
    assert run.until_ended().state is State.SUCCEEDED


def test_a_run_that_has_ended_is_refused_with_the_verb_that_helps(lab: Lab, vlad: Vlad) -> None:
    lab.start("true").until_ended()
    answer = vlad("stacks", "last")
    assert (answer.code, answer.out) == (2, "")
    assert "is SUCCEEDED: it has no process now; `vlad why` tells how it ended" in answer.err


def test_a_run_that_waits_to_restart_is_refused(lab: Lab, vlad: Vlad) -> None:
    Story(lab, "waiting").attempt().ended(code=1).moved(State.BACKOFF, why="exit 1")
    answer = vlad("stacks", "waiting")
    assert answer.code == 2
    assert "it has no process now" in answer.err


def test_a_run_of_another_program_is_told_by_the_kernel(lab: Lab, vlad: Vlad) -> None:
    run = lab.start("sleep", "600")
    run.until_state(State.RUNNING)
    shown = vlad("stacks", "last")
    assert "no Python stack could be read; state S" in shown.out
    run.ask(Action.STOP_NOW)
    run.until_ended()
