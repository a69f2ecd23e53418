"""An evaluation as it is written down: a line of evaluations.jsonl, and the log of the original script."""

import time
from pathlib import Path

from vlad.records.files import replace_file
from vlad.records.progress import Evaluation, TaskResult

from vlatrain.evaluate.results import EvaluationResult, log_lines, log_name


def as_record(
    result: EvaluationResult, *, step: int, checkpoint: str | None, log: Path | None, duration_s: float
) -> Evaluation:
    """The measurement, without what it does to an early stop."""
    low, high = result.interval
    return Evaluation(
        at=time.time(),
        step=step,
        suite=result.suite,
        successes=result.successes,
        episodes=result.episodes,
        success_rate=result.success_rate,
        low=low,
        high=high,
        tasks=tuple(
            TaskResult(task=task, successes=successes, episodes=episodes)
            for task, successes, episodes in result.by_task()
        ),
        checkpoint=checkpoint,
        log=str(log) if log else None,
        videos=result.videos,
        duration_s=duration_s,
        failure=result.failure,
        versions=dict(result.versions),
        repeats=result.repeats,
    )


def write_log(folder: Path, note: str | None, step: int | None, result: EvaluationResult) -> Path:
    """The original script's log, under its name. Raises OSError."""
    told = None if step is None else f"step{step}"
    name = log_name(
        result.suite, "-".join(part for part in (note, told) if part) or None, time.strftime("%Y_%m_%d-%H_%M_%S")
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    replace_file(path, "".join(f"{line}\n" for line in log_lines(result)).encode())
    return path


def video_folder(logs: Path) -> Path:
    """Where the videos of today's evaluations go."""
    return logs / "rollouts" / time.strftime("%Y_%m_%d")
