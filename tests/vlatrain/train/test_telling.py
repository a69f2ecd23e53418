"""Losses that are told while the next step is under way, and never out of order."""

import math

import pytest
import torch
from training_runs import EVALUATED, Run, Workshop, adapter, is_same
from vlad.records.progress import CheckpointSaved, Finished, Step
from vlatrain.distributed import Ranks
from vlatrain.errors import TrainingError
from vlatrain.model.openvla import ActionLogits
from vlatrain.train.averages import Averages
from vlatrain.train.learner import Learner
from vlatrain.train.telling import Telling


def test_a_step_is_told_once_and_before_the_next_waits() -> None:
    told: list[int] = []
    telling = Telling()
    telling.now()
    telling.later(lambda: told.append(1))
    assert told == []
    telling.later(lambda: told.append(2))
    assert told == [1]
    telling.now()
    telling.now()
    assert told == [1, 2]


def averages(*losses: float) -> Averages:
    made = Averages(torch.device("cpu"))
    for loss in losses:
        made.add(torch.tensor(loss), torch.tensor(0.5), torch.tensor(0.25))
        made.count_one()
    return made


def test_what_is_taken_stays_what_it_was_while_the_averages_begin_anew() -> None:
    made = averages(1.0, 3.0)
    taken = made.taken()
    made.add(torch.tensor(100.0), torch.tensor(1.0), torch.tensor(1.0))
    made.count_one()
    assert taken.means(Ranks(), 2) == {"loss": 2.0, "action_accuracy": 0.5, "l1_loss": 0.25}
    assert made.taken().means(Ranks(), 3)["loss"] == 100.0


def test_a_loss_that_is_no_number_is_told_with_the_step_that_made_it() -> None:
    taken = averages(math.nan).taken()
    with pytest.raises(TrainingError, match="loss is nan at step 7 on rank 0"):
        taken.means(Ranks(), 7)


def order(run: Run) -> list[tuple[str, int]]:
    """What is told of steps, checkpoints and the end, line by line. A writer in the background may take its time."""
    kinds = (Step, Finished)
    return [(type(line).__name__, line.step) for line in run.directory.read_progress()[0] if isinstance(line, kinds)]


@pytest.mark.parametrize(
    "settings", [{"save_steps": 2}, {"log_every_steps": 2, **EVALUATED}], ids=["plain", "evaluated"]
)
def test_a_run_that_tells_late_tells_the_same_in_the_same_order(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    at_once = workshop.trained("at_once", max_steps=5, **settings)
    monkeypatch.setattr(Learner, "is_told_late", True)
    late = workshop.trained("late", max_steps=5, **settings)
    assert late.steps == at_once.steps
    assert order(late) == order(at_once)
    assert is_same(adapter(late.latest), adapter(at_once.latest))
    told = late.directory.read_progress()[0]
    for saved in late.told(CheckpointSaved):
        logged = [line.step for line in told[: told.index(saved)] if isinstance(line, Step)]
        due = [line.step for line in late.told(Step) if line.step <= saved.step]
        assert set(due) <= set(logged), "a checkpoint is told behind the steps that are in it"


def test_a_loss_that_is_no_number_ends_a_run_that_tells_late(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Learner, "is_told_late", True)
    whole = ActionLogits.loss
    monkeypatch.setattr(ActionLogits, "loss", lambda *of: whole(*of) * math.nan)
    run = workshop.run("lost", max_steps=9, save_steps=2)
    assert run.train_here() == 1
    assert "loss is nan at step 1 on rank 0" in capfd.readouterr().err
    assert run.told(CheckpointSaved) == []
