"""What the supervisor takes from progress.jsonl."""

from pathlib import Path

import pytest
from vlad.records.progress import CheckpointSaved, Finished, Plan, ProgressLine, Reason, RequestDone, Step
from vlad.records.rundir import RunDirectory
from vlad.report import Reporter
from vlad.supervise import follow
from vlad.supervise.follow import CHECKPOINTS_REMEMBERED, ProgressFollower, existing_checkpoint


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def report(run: RunDirectory, *lines: ProgressLine, attempt: int = 1) -> None:
    with Reporter(run.path, attempt) as reporter:
        for line in lines:
            reporter.progress(line)


def test_nothing_reported_is_nothing_known(run: RunDirectory) -> None:
    progress = ProgressFollower(run).read_new()
    assert (progress.step, progress.checkpoints, progress.finished) == (None, (), None)


def test_a_follower_reads_on_and_agrees_with_one_that_starts_later(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PIECE_BYTES", 70)
    follower = ProgressFollower(run)
    for step in range(1, 30):
        saved = CheckpointSaved(at=0, step=step, path=f"/c/{step}")
        report(run, Step(at=0, step=step), saved, RequestDone(at=0, request_id=str(step)))
        assert follower.read_new().step == step
    assert follower.progress == ProgressFollower(run).read_new()
    assert len(follower.progress.checkpoints) == CHECKPOINTS_REMEMBERED
    assert len(follower.progress.answered) == 29


def test_an_end_counts_for_its_attempt_only(run: RunDirectory) -> None:
    report(run, Plan(at=0), Finished(at=0, step=3, reason=Reason.MAX_STEPS), attempt=1)
    progress = ProgressFollower(run).read_new()
    assert progress.finished_in(1) is not None
    assert progress.finished_in(2) is None


def test_a_line_torn_by_a_kill_is_left_out(run: RunDirectory) -> None:
    report(run, Step(at=0, step=1))
    with run.progress.open("ab") as file:
        file.write(b'{"kind":"checkpoint","at":0,"st')
    report(run, Step(at=0, step=2), attempt=2)
    progress = ProgressFollower(run).read_new()
    assert (progress.step, progress.checkpoints) == (2, ())


def test_the_newest_checkpoint_that_is_still_there_is_resumed(run: RunDirectory, tmp_path: Path) -> None:
    kept, pruned = tmp_path / "c-1", tmp_path / "c-2"
    kept.mkdir()
    report(run, *(CheckpointSaved(at=0, step=step, path=str(path)) for step, path in ((1, kept), (2, pruned))))
    found = existing_checkpoint(ProgressFollower(run).read_new(), "/")
    assert found is not None
    assert found.path == str(kept)


def test_a_relative_checkpoint_is_one_of_the_programs_folder(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "work" / "c-1").mkdir(parents=True)
    report(run, CheckpointSaved(at=0, step=1, path="c-1"))
    progress = ProgressFollower(run).read_new()
    assert existing_checkpoint(progress, str(tmp_path / "work")) is not None
    assert existing_checkpoint(progress, str(tmp_path)) is None


def test_a_checkpoint_that_turns_out_best_later_is_not_where_a_restart_goes_on(
    run: RunDirectory, tmp_path: Path
) -> None:
    for name in ("c-1", "c-2"):
        (tmp_path / name).mkdir()
    first, second = (CheckpointSaved(at=0, step=step, path=str(tmp_path / f"c-{step}")) for step in (1, 2))
    told_later = CheckpointSaved(at=0, step=1, path=first.path, is_best=True, is_new=False)
    report(run, first, second, told_later)
    found = existing_checkpoint(ProgressFollower(run).read_new(), "/")
    assert found is not None
    assert found.step == 2
