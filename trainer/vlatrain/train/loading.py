"""Tells how much of the base model is loaded."""

import sys
from collections.abc import Callable
from typing import TextIO

from vlad.records.progress import Phase

from vlatrain.distributed import Ranks
from vlatrain.ticker import Ticker, gigabytes
from vlatrain.train.reports import Reports

BASE_MODEL = "the base model"


def loading_told(ranks: Ranks, reports: Reports, stream: TextIO | None = None) -> Callable[[int, int], None]:
    """What to call with the bytes loaded and in all: speaks on the first rank, in the log and in the run's progress.

    The run's progress gets percent, so that a hundred lines are the most.
    """
    tell = Ticker(stream or sys.stderr)

    def progress(done: int, total: int) -> None:
        if ranks.is_first:
            tell(gigabytes(done, total, "loading the base model:"))
            reports.phase(Phase.LOADING, done=100 * done // max(1, total), total=100, detail=BASE_MODEL)
        if ranks.is_first and done == total:
            tell.end()

    return progress
