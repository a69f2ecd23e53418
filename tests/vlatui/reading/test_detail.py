"""Reading one run in full, bit by bit."""

from fake_runs import NOW, training_run
from vlad.records.progress import Phase, PhaseChange, Step, TaskEvaluated
from vlad.records.rundir import Home, RunDirectory
from vlatui.reading.detail import DetailReader
from vlatui.reading.under_way import UnderWay
from vlatui.telling.evaluation_rows import ARRIVING, evaluation_rows


def test_everything_of_a_run_is_read(runs: dict[str, RunDirectory]) -> None:
    detail = DetailReader(runs["training"]).read()
    assert detail is not None
    assert detail.curves["loss"].steps == tuple(range(1, 316))
    assert set(detail.curves) == {"loss", "learning rate", "samples/s", "step time", "memory", "accuracy"}
    assert [evaluation.step for evaluation in detail.evaluations] == [0, 50, 100, 150, 200, 250, 300]
    assert detail.spec is not None
    assert [source.label for source in detail.logs] == ["attempt 1"]
    assert len(detail.events) == 5


def test_what_did_not_change_is_told_once(runs: dict[str, RunDirectory]) -> None:
    reader = DetailReader(runs["training"])
    assert reader.read() is not None
    assert reader.read() is None


def test_new_steps_are_added_and_a_torn_line_waits(home: Home) -> None:
    home.prepare()
    run = training_run(home)
    reader = DetailReader(run.directory)
    reader.read()
    run.steps(316, 318)
    with run.directory.progress.open("ab") as file:
        file.write(b'{"kind":"step","at":1,"st')
    detail = reader.read()
    assert detail is not None
    assert detail.curves["loss"].steps[-1] == 318
    with run.directory.progress.open("ab") as file:
        file.write(b'ep":319,"loss":0.25}\n')
    detail = reader.read()
    assert detail is not None
    assert (detail.curves["loss"].steps[-1], detail.curves["loss"].values[-1]) == (319, 0.25)


def test_a_progress_file_written_anew_is_read_anew(home: Home) -> None:
    home.prepare()
    run = training_run(home)
    reader = DetailReader(run.directory)
    reader.read()
    run.directory.progress.write_bytes(b"")
    run.progress(Step(at=NOW, step=1, loss=2.0))
    detail = reader.read()
    assert detail is not None
    assert detail.curves["loss"].steps == (1,)


def test_rank_files_follow_the_console_of_their_attempt(home: Home) -> None:
    home.prepare()
    run = training_run(home)
    rank = run.directory.attempt(1).ranks / "x" / "attempt_0" / "0" / "stderr.log"
    rank.parent.mkdir(parents=True)
    rank.write_bytes(b"hello\n")
    run.log(b"second\n", attempt=2)
    detail = DetailReader(run.directory).read()
    assert detail is not None
    labels = [source.label for source in detail.logs]
    assert labels == ["attempt 1", "attempt 1 · x/attempt_0/0/stderr.log", "attempt 2"]
    assert [source.is_console for source in detail.logs] == [True, False, True]


def test_a_run_without_a_readable_spec_is_shown_all_the_same(runs: dict[str, RunDirectory]) -> None:
    runs["training"].spec.write_bytes(b"{")
    detail = DetailReader(runs["training"]).read()
    assert detail is not None
    assert detail.spec is None


def test_an_evaluation_arrives_task_by_task_until_its_result_is_there(home: Home) -> None:
    home.prepare()
    run = training_run(home)
    reader = DetailReader(run.directory)
    first = reader.read()
    assert first is not None
    assert first.under_way is None
    run.progress(PhaseChange(at=NOW + 1, phase=Phase.EVALUATING, step=350, done=0, total=15))
    begun = reader.read()
    assert begun is not None
    assert begun.under_way == UnderWay(1, 350, NOW + 1, 0, 15)
    assert begun.under_way.so_far is None
    for number, successes in enumerate((4, 1)):
        run.progress(
            TaskEvaluated(at=NOW + 1, step=350, suite="s", task=f"task {number}", successes=successes, episodes=5)
        )
    detail = reader.read()
    assert detail is not None
    assert detail.under_way is not None
    so_far = detail.under_way.so_far
    assert so_far is not None
    assert (so_far.step, so_far.successes, so_far.episodes) == (350, 5, 10)
    rows = evaluation_rows(detail.evaluations, so_far)
    assert [rows[0].key, rows[1].key] == [ARRIVING, "6"]
    run.evaluation(350, 9, 15, best=60, bad=0, at=NOW + 2)
    detail = reader.read()
    assert detail is not None
    assert (detail.under_way, detail.evaluations[-1].step) == (None, 350)
