"""Losses that are told while the next step is under way, and never out of order."""

import math

import pytest
import torch
from vlatrain.distributed import Ranks
from vlatrain.errors import TrainingError
from vlatrain.train.averages import Averages
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
