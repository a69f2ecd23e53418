"""What is probably not meant."""

from typing import Any

import pytest
from vlatrain.configuration.advice import advice
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.sim.tabletop_suites import SUITES
from vlatrain.suites import EMBEDDED_SUITES

EVALUATED: dict[str, Any] = {"use_wandb": False, "enable_periodic_eval": True, "save_steps": 1000}


def test_a_min_delta_finer_than_one_episode_is_doubted() -> None:
    (doubt,) = advice(FinetuneConfig(**EVALUATED, early_stopping_enabled=True))
    assert doubt.startswith(
        "early_stopping_min_delta 0.1 is finer than 10 episodes can tell (one episode is 10 points)"
    )


def test_only_the_tasks_that_are_played_are_counted() -> None:
    (doubt,) = advice(FinetuneConfig(**EVALUATED, early_stopping_enabled=True, eval_tasks=(0, 4)))
    assert "is finer than 2 episodes can tell (one episode is 50 points)" in doubt


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({}, "use_wandb is on, but wandb is not installed: pip install 'vlatui[wandb]', or set it false"),
        ({"use_wandb": False, "trackers": "trackio"}, "trackers is trackio, but trackio is not installed"),
        ({"use_wandb": False, "early_stopping_enabled": True}, "early_stopping_enabled never acts"),
        ({**EVALUATED, "max_steps": 500}, "eval_every_steps 1000 is beyond max_steps 500"),
        ({"use_wandb": False, "method_enabled": True}, "thermostat_estimator original with 16 probe samples"),
        ({**EVALUATED, "image_aug": False}, "image_aug and eval_center_crop differ"),
    ],
)
def test_what_cannot_have_been_meant_is_told(values: dict[str, Any], start: str) -> None:
    (doubt,) = advice(FinetuneConfig(**values), is_installed=lambda name: False)
    assert doubt.startswith(start)


def test_nothing_is_said_of_what_is_fine() -> None:
    fine = FinetuneConfig(
        **EVALUATED, early_stopping_enabled=True, eval_num_trials_per_task=50, early_stopping_min_delta=0.2
    )
    assert advice(fine) == ()
    assert advice(FinetuneConfig(use_wandb=False)) == ()
    assert advice(FinetuneConfig(), is_installed=lambda name: True) == ()


def test_the_embedded_suites_are_those_of_the_simulator() -> None:
    assert {suite: len(tasks) for suite, tasks in SUITES.items()} == EMBEDDED_SUITES
