"""Reads what a run's reports tell now: incrementally, and of long files at first only some."""

import mmap
import os
from pathlib import Path

import msgspec

from vlad.records.files import read_lines
from vlad.records.progress import decode_evaluations, decode_progress
from vlad.records.rundir import RunDirectory
from vlad.records.summary import EMPTY, Summary, fold_evaluation, fold_progress, without_passing

HEAD_BYTES = 4 * 1024
TAIL_BYTES = 24 * 1024
GAP_BYTES = 4 * 1024 * 1024


class SummaryRead(msgspec.Struct, frozen=True):
    """A summary and how far into the two files it reaches, in bytes."""

    summary: Summary = EMPTY
    progress_end: int = 0
    evaluations_end: int = 0


def read_summary(run: RunDirectory, previous: SummaryRead | None = None, *, whole: bool = False) -> SummaryRead:
    """The run's summary now; with `previous` only what was appended since is read.

    Without it a long progress file costs a bounded amount (its head, its tail, and the last plan and checkpoint of
    the few MB before the tail) unless `whole` is asked for. A file that shrank is read anew.
    """
    if previous is None:
        previous = SummaryRead(*_first_reading(run.progress, whole))
    progress, progress_end = read_lines(run.progress, previous.progress_end)
    evaluations, evaluations_end = read_lines(run.evaluations, previous.evaluations_end)
    if progress_end < previous.progress_end or evaluations_end < previous.evaluations_end:
        return read_summary(run, whole=whole)
    summary = _folded(previous.summary, progress)
    for evaluation in decode_evaluations(evaluations):
        summary = fold_evaluation(summary, evaluation)
    return SummaryRead(summary, progress_end, evaluations_end)


def _folded(summary: Summary, lines: list[bytes]) -> Summary:
    for line in decode_progress(lines):
        summary = fold_progress(summary, line)
    return summary


def _first_reading(path: Path, whole: bool) -> tuple[Summary, int]:
    """What a long file tells without reading it whole, and the offset from which it must be read on."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if whole or size <= HEAD_BYTES + TAIL_BYTES:
                return EMPTY, 0
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
                return _sampled(content, size)
    except FileNotFoundError:
        return EMPTY, 0


def _sampled(content: mmap.mmap, size: int) -> tuple[Summary, int]:
    """The summary of the head and of the last plan and checkpoint before the tail, and where the tail starts."""
    head_end = content.rfind(b"\n", 0, HEAD_BYTES) + 1
    tail_start = content.find(b"\n", size - TAIL_BYTES) + 1
    gap_start = max(head_end, tail_start - GAP_BYTES)
    marks = {content.rfind(f'"kind":"{kind}"'.encode(), gap_start, tail_start) for kind in ("plan", "checkpoint")}
    gap = [content[content.rfind(b"\n", 0, mark) + 1 : content.find(b"\n", mark)] for mark in sorted(marks) if mark > 0]
    summary = _folded(EMPTY, content[:head_end].split(b"\n"))
    # times across the gap lie, and so would a plot of losses; what could pass may have passed there
    summary = without_passing(summary)
    summary = msgspec.structs.replace(summary, phase=None, phase_since=None, step_at=None, loss_history=())
    return msgspec.structs.replace(_folded(summary, gap), phase=None, phase_since=None, step_at=None), tail_start
