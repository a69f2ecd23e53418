"""A start is told part by part, and once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from vlad.records.progress import Phase, PhaseChange
from vlad.records.rundir import RunDirectory
from vlad.report import Reporter
from vlatrain.distributed import Ranks
from vlatrain.train.reports import Reports
from vlatrain.train.starting import FIRST_STEP, LIBRARIES, Starting, durations

CPU = torch.device("cpu")


def ticking() -> Callable[[], float]:
    """A clock that shows one second more whenever it is read."""
    seconds = iter(range(10**10, 10**10 + 1000))
    return lambda: float(next(seconds))


def test_parts_last_until_the_next_one_begins() -> None:
    assert durations([("one", 1.0), ("two", 3.0)], 3.5) == [("one", 2.0), ("two", 0.5)]


def test_each_part_is_shown_when_it_begins_and_all_are_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Reporter(tmp_path) as reporter:
        starting = Starting(Reports(reporter, Ranks()), ticking())
        starting.begins("data")
        starting.begins("the base model")
        starting.waits_for("an evaluation")
        for step in range(3):
            starting.first_step(step, is_compiled=True)
            starting.is_done(CPU)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("[start] ")
    assert line.endswith(f" data 1.0, the base model 1.0, an evaluation 1.0, {FIRST_STEP} 1.0")
    assert f"to the end of the first step: {LIBRARIES} " in line
    lines = [one for one in RunDirectory(tmp_path).read_progress()[0] if isinstance(one, PhaseChange)]
    assert [(one.phase, one.detail) for one in lines] == [
        (Phase.LOADING, "data"),
        (Phase.LOADING, "the base model"),
        (Phase.TRAINING, f"{FIRST_STEP}, compiling"),
        (Phase.TRAINING, ""),
    ]
