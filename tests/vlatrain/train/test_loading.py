"""What is told while the base model loads."""

import io
from pathlib import Path

from vlad.records.progress import Phase, PhaseChange
from vlad.records.rundir import RunDirectory
from vlad.report import Reporter
from vlatrain.distributed import Ranks
from vlatrain.train.loading import loading_told
from vlatrain.train.reports import Reports


def loaded(ranks: Ranks, folder: Path, sizes: list[int]) -> tuple[str, list[PhaseChange]]:
    """The log and the progress lines of loading tensors of these sizes."""
    stream = io.StringIO()
    with Reporter(folder) as reporter:
        progress = loading_told(ranks, Reports(reporter, ranks), stream)
        for done in range(len(sizes)):
            progress(sum(sizes[: done + 1]), sum(sizes))
    lines = RunDirectory(folder).read_progress()[0]
    return stream.getvalue(), [line for line in lines if isinstance(line, PhaseChange)]


def test_the_log_gets_the_end_and_the_run_each_percent_once(tmp_path: Path) -> None:
    log, lines = loaded(Ranks(), tmp_path, [10_000_000] * 1000)
    assert log.splitlines()[-1] == "loading the base model: 10.0 of 10.0 GB (100 %)"
    assert [(line.phase, line.done, line.total) for line in lines] == [(Phase.LOADING, n, 100) for n in range(101)]


def test_other_ranks_are_silent(tmp_path: Path) -> None:
    assert loaded(Ranks(rank=1, world_size=2), tmp_path, [1, 2]) == ("", [])
