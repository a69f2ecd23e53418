"""The evaluation that goes on: folded from a run's reports, as long as it has no result."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlad.records.interval import success_interval
from vlad.records.progress import (
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    ProgressLine,
    Step,
    TaskEvaluated,
    TaskResult,
)
from vlad.records.run import RunRecord, State


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An evaluation of `step` that began in `attempt` at `since` (Unix seconds): `done` of `total` episodes are played,
    all of `tasks`.
    """

    attempt: int
    step: int | None
    since: float
    done: int | None = None
    total: int | None = None
    tasks: tuple[TaskEvaluated, ...] = ()

    @property
    def so_far(self) -> Evaluation | None:
        """What the tasks that are through tell; None before the first of them is."""
        if not self.tasks:
            return None
        successes, episodes = sum(task.successes for task in self.tasks), sum(task.episodes for task in self.tasks)
        rate = 100 * successes / max(1, episodes)
        low, high = success_interval(rate, episodes)
        last = self.tasks[-1]
        results = (TaskResult(task=one.task, successes=one.successes, episodes=one.episodes) for one in self.tasks)
        return Evaluation(
            at=last.at, step=last.step, suite=last.suite, successes=successes, episodes=episodes, success_rate=rate,
            low=low, high=high, tasks=tuple(results),
        )  # fmt: skip


def followed(before: UnderWay | None, line: ProgressLine) -> UnderWay | None:
    """What is under way after one more line: any other phase, a step, a start and an end say that nothing is."""
    match line:
        case PhaseChange(phase=Phase.EVALUATING):
            if before is None or _is_another(before, line):
                before = UnderWay(line.attempt, _evaluated_step(line), line.at)
            return replace(before, done=line.done, total=line.total)
        case TaskEvaluated():
            if before is None or (before.attempt, before.step) != (line.attempt, line.step):
                before = UnderWay(line.attempt, line.step, line.at)
            return replace(before, tasks=(*before.tasks, line))
        case PhaseChange() | Plan() | Step() | Finished():
            return None
        case _:
            return before


def _is_another(before: UnderWay, line: PhaseChange) -> bool:
    is_begun_anew = (line.done or 0) < (before.done or 0)
    return is_begun_anew or (before.attempt, before.step) != (line.attempt, _evaluated_step(line))


def _evaluated_step(line: PhaseChange) -> int | None:
    return line.step if line.of_step is None else line.of_step


def without_result(under_way: UnderWay | None, evaluations: Sequence[Evaluation]) -> UnderWay | None:
    """None where the result is there already: it is written to another file."""
    if under_way is None or not evaluations:
        return under_way
    last = evaluations[-1]
    is_its = under_way.step in (last.step, None) and last.at >= under_way.since
    return None if is_its else under_way


def still_going(under_way: UnderWay | None, record: RunRecord | None) -> UnderWay | None:
    """None where the run that told of it has ended, or waits, or has begun another attempt."""
    if under_way is None or record is None or record.attempt is None:
        return None
    is_at_work = record.state in (State.RUNNING, State.STOPPING)
    return under_way if is_at_work and record.attempt.number == under_way.attempt else None
