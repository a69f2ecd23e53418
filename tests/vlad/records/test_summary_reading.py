"""Reading what a run reported: again and again, from torn and shrunk files, and from long ones only some."""

from pathlib import Path

import pytest
from vlad.records.progress import CheckpointSaved, Evaluation, Plan, Step, Warned
from vlad.records.rundir import RunDirectory
from vlad.records.summary import EMPTY
from vlad.records.summary_reading import HEAD_BYTES, TAIL_BYTES, read_summary
from vlad.report import Reporter

EVALUATION = Evaluation(at=1, step=3, suite="s", successes=2, episodes=10, success_rate=20.0, low=0.0, high=100.0)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def test_a_run_that_reported_nothing_has_an_empty_summary(run: RunDirectory) -> None:
    assert read_summary(run).summary == EMPTY


def test_reading_on_equals_reading_anew(run: RunDirectory) -> None:
    reporter = Reporter(run.path)
    read = None
    for step in range(1, 6):
        reporter.progress(Step(at=step, step=step, loss=1.0 / step))
        if step == 3:
            reporter.evaluation(EVALUATION)
        read = read_summary(run, read)
    assert read == read_summary(run)
    assert read is not None
    assert read.summary.step == 5


def test_a_file_that_shrank_is_read_anew(run: RunDirectory) -> None:
    Reporter(run.path).progress(Step(at=1, step=500))
    read = read_summary(run)
    run.progress.write_bytes(b'{"kind":"step","at":1,"step":1}\n')
    assert read_summary(run, read).summary.step == 1


def test_a_torn_last_line_is_read_when_it_is_whole(run: RunDirectory) -> None:
    run.progress.write_bytes(b'{"kind":"step","at":1,"step":1}\n{"kind":"step","at":2,"st')
    read = read_summary(run)
    assert read.summary.step == 1
    run.progress.write_bytes(run.progress.read_bytes() + b'ep":2}\n')
    assert read_summary(run, read).summary.step == 2


def test_a_long_file_is_sampled_and_tells_the_same(run: RunDirectory) -> None:
    reporter = Reporter(run.path)
    reporter.progress(Plan(at=0, max_steps=9000, patience=5))
    for step in range(1, 9001):
        reporter.progress(Step(at=step, step=step, loss=1.0, step_s=1.0))
        if step == 5000:
            reporter.progress(CheckpointSaved(at=step, step=step, path="adapter"))
    assert run.progress.stat().st_size > 4 * (HEAD_BYTES + TAIL_BYTES)
    sampled, whole = read_summary(run), read_summary(run, whole=True)
    assert sampled.progress_end == whole.progress_end
    for name in ("step", "max_steps", "patience", "last_checkpoint", "phase", "typical_step_s"):
        assert getattr(sampled.summary, name) == getattr(whole.summary, name), name


def test_what_could_have_passed_in_the_unread_middle_of_a_long_file_is_not_told(run: RunDirectory) -> None:
    with Reporter(run.path) as reporter:
        for line in (Warned(at=1, message="no room"), Warned(at=2, message="step 2 is behind", about="evaluations")):
            reporter.progress(line)
        for step in range(1000):
            reporter.progress(Step(at=3, step=step, loss=1.0))
    assert read_summary(run).summary.warnings == ("no room",)
    assert read_summary(run, whole=True).summary.warnings == ("no room", "step 2 is behind")
