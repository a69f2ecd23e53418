"""vlad why of runs that have not begun (what they wait for, and what starts them) and of those that hang."""

from pathlib import Path

import msgspec
import pytest
from command_line import Story, Vlad
from fake_gpus import fake_gpus
from patience import until
from supervised_runs import Lab, Run
from vlad.commands.watching.why import attempt_line
from vlad.records.events import WentQuiet
from vlad.records.quiet import Quiet
from vlad.records.run import Attempt, State
from vlad.records.spec import Predecessor
from vlad.supervise import detach


def follower(lab: Lab, first: Run, **more: object) -> Run:
    """A run that starts when `first` has succeeded."""
    after = (Predecessor(run_id=first.directory.run_id),)
    run = lab.create(msgspec.structs.replace(lab.spec("true"), after=after, **more))
    detach.start(run.directory)
    return run


def test_a_run_that_waits_says_how_the_other_stands(lab: Lab, vlad: Vlad) -> None:
    first = lab.start("sh", "-c", f"until [ -e {lab.path / 'gate'} ]; do sleep 0.05; done")
    first.until_state(State.RUNNING)
    second = follower(lab, first)
    until(lambda: second.record.queue, "it waits")
    told = vlad("why", second.directory.run_id).out
    assert f"attempts  none yet\nfollows   {first.directory.run_id} RUNNING" in told
    assert "to do" not in told
    (lab.path / "gate").touch()
    assert second.until_ended().state is State.SUCCEEDED


def test_a_run_that_hangs_and_is_left_alone_says_what_can_be_done(lab: Lab, vlad: Vlad) -> None:
    story = Story(lab, "hung").attempt()
    for restarts in (False, True):
        story.event(WentQuiet, quiet=Quiet(since=0, missing="no step", is_hung=True, restarts=restarts))
        told = vlad("why", "hung").out
        assert "HUNG" in told
        assert ("`vlad stop " in told) is not restarts


def test_a_run_that_never_began_says_so_and_starts_when_it_is_resumed(
    lab: Lab, vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = fake_gpus(tmp_path, 1, monkeypatch)
    first = lab.start("sh", "-c", "exit 3")
    first.until_ended()
    second = follower(lab, first, gpus=gpus.wish(1))
    assert second.until_ended().state is State.FAILED
    told = vlad("why", second.directory.run_id).out
    assert "attempts  none: it never began\n" in told
    assert f"follows   {first.directory.run_id} FAILED after " in told
    assert "(its success was asked for)" in told
    assert f"to do     `vlad resume {second.directory.run_id}` starts it" in told
    vlad("resume", second.directory.run_id)
    until(lambda: second.record.state is State.SUCCEEDED, "it was started")


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [(500, 504, "not ended, steps 500 to 504"), (None, 504, "not ended, to step 504"), (500, None, "not ended")],
    ids=["resumed by vlad", "begun by the trainer's own choice", "no step"],
)
def test_an_attempt_says_its_steps_as_far_as_they_are_known(start: int | None, end: int | None, told: str) -> None:
    assert attempt_line(Attempt(number=1, started_at=0.0, start_step=start, end_step=end)) == f"  1  {told}"
