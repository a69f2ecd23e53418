"""What is asked before something that cannot be taken back: it says what will be lost. Pure."""

from vlad.records.home_view import RunView
from vlad.records.run import State

from vlatui.look.words import tr
from vlatui.telling import outlook

MOST_NAMED = 8


def stop_question(runs: list[RunView], *, is_now: bool) -> tuple[str, list[str]]:
    """The question before stopping, and what each run will lose."""
    one = runs[0].record.name if len(runs) == 1 else tr("{count} runs", count=len(runs))
    if not is_now:
        return tr("Stop {run}?", run=one), [_how_it_ends(runs), tr("Nothing is lost; r resumes it.")]
    losses = []
    for run in runs:
        losses.append(f"{run.record.name}: {_lost(outlook.steps_at_risk(run.summary))}")
    title = tr("Stop {run} now, without saving?", run=one)
    return title, [tr("It is killed at once and loses:"), *losses]


def _how_it_ends(runs: list[RunView]) -> str:
    if all(run.record.state is State.QUEUED for run in runs):
        return tr("It leaves the queue; nothing of it has begun.")
    return tr("A checkpoint is saved after the present step, then it ends.")


def _lost(steps: int | None) -> str:
    if not steps:
        return tr("nothing that is not saved")
    if steps == 1:
        return tr("1 step since the last checkpoint")
    return tr("{count} steps since the last checkpoint", count=f"{steps:,}")


def remove_question(runs: list[RunView]) -> tuple[str, list[str]]:
    """The question before removing runs that have ended."""
    one = runs[0].record.name if len(runs) == 1 else tr("{count} runs", count=len(runs))
    lost = tr("Its records and logs are deleted for good. Its checkpoints stay.")
    return tr("Remove {run}?", run=one), [lost, *(run.run_id for run in runs[:MOST_NAMED])]
