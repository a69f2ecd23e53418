"""What is asked before something that cannot be taken back: it says what will be lost. Pure."""

from vlad.records.home_view import RunView

from vlatui.telling import outlook

MOST_NAMED = 8


def stop_question(runs: list[RunView], *, is_now: bool) -> tuple[str, list[str]]:
    """The question before stopping, and what each run will lose."""
    one = runs[0].record.name if len(runs) == 1 else f"{len(runs)} runs"
    if not is_now:
        saved = ["A checkpoint is saved after the present step, then it ends.", "Nothing is lost; r resumes it."]
        return f"Stop {one}?", saved
    losses = []
    for run in runs:
        steps = outlook.steps_at_risk(run.summary)
        lost = f"{steps:,} step{'s' * (steps != 1)} since the last checkpoint" if steps else "nothing that is not saved"
        losses.append(f"{run.record.name}: {lost}")
    return f"Stop {one} now, without saving?", ["It is killed at once and loses:", *losses]


def remove_question(runs: list[RunView]) -> tuple[str, list[str]]:
    """The question before removing runs that have ended."""
    one = runs[0].record.name if len(runs) == 1 else f"{len(runs)} runs"
    lost = "Its records and logs are deleted for good. Its checkpoints stay."
    return f"Remove {one}?", [lost, *(run.run_id for run in runs[:MOST_NAMED])]
