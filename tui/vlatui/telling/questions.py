"""What is asked before something that cannot be taken back: it says what will be lost. Pure."""

from collections.abc import Sequence

from vlad.records.foreign import ForeignJob
from vlad.records.home_view import RunView
from vlad.records.run import State
from vlad.records.spec import Kind

from vlatui.look.words import tr
from vlatui.telling import outlook

MOST_NAMED = 8


def stop_question(runs: Sequence[RunView], *, is_now: bool) -> tuple[str, list[str]]:
    """The question before stopping, and what each run will lose."""
    one = _named(runs)
    if not is_now:
        return tr("Stop {run}?", run=one), _how_they_end(runs)
    losses = [f"{run.record.name}: {_lost(run)}" for run in runs]
    title = tr("Stop {run} now, without saving?", run=one)
    return title, [tr("It is killed at once and loses:"), *losses]


def _how_they_end(runs: Sequence[RunView]) -> list[str]:
    """Only a trainer of ours is asked for a checkpoint; a command of others is told to end."""
    begun = [run for run in runs if run.record.state is not State.QUEUED]
    if not begun:
        return [tr("It leaves the queue; nothing of it has begun."), tr("Nothing is lost; r resumes it.")]
    commands = [run for run in begun if run.kind is Kind.COMMAND]
    if not commands:
        return [tr("A checkpoint is saved after the present step, then it ends."), tr("Nothing is lost; r resumes it.")]
    ended = [
        tr("It is told to end (SIGTERM); what it has not saved by itself is lost."),
        tr("r starts its command again."),
    ]
    if len(commands) == len(begun):
        return ended
    others = [run for run in begun if run.kind is not Kind.COMMAND]
    saved = tr("A checkpoint is saved after the present step, then it ends.")
    return [f"{_listed(others)}: {saved}", f"{_listed(commands)}: {ended[0]}"]


def _lost(run: RunView) -> str:
    """A command of others tells of its checkpoints at most by its log."""
    if run.kind is Kind.COMMAND and run.summary.last_checkpoint is None:
        return tr("what it has not saved by itself")
    steps = outlook.steps_at_risk(run.summary)
    if not steps:
        return tr("nothing that is not saved")
    if steps == 1:
        return tr("1 step since the last checkpoint")
    return tr("{count} steps since the last checkpoint", count=f"{steps:,}")


def remove_question(runs: Sequence[RunView]) -> tuple[str, list[str]]:
    """The question before removing runs that have ended."""
    lost = tr("Its records and logs are deleted for good. Its checkpoints stay.")
    return tr("Remove {run}?", run=_named(runs)), [lost, *(run.run_id for run in runs[:MOST_NAMED])]


def adopt_question(job: ForeignJob) -> tuple[str, list[str]]:
    """The question before a training that vlad did not start becomes a run."""
    becomes = tr("It becomes a run: watched, stopped and explained here.")
    ends = tr("Closing its terminal ({tty}) still ends it.", tty=job.tty)
    if job.tty is None:
        ends = tr("It has no terminal: closing one does not end it.")
    return tr("Adopt process {pid}?", pid=job.process.pid), [becomes, ends]


def _named(runs: Sequence[RunView]) -> str:
    return runs[0].record.name if len(runs) == 1 else tr("{count} runs", count=len(runs))


def _listed(runs: Sequence[RunView]) -> str:
    return ", ".join(run.record.name for run in runs[:MOST_NAMED])
