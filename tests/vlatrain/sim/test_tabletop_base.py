"""The tiny base model that ships with the package."""

import numpy as np
import pytest
import torch
from vlatrain.configuration.places import ASSETS
from vlatrain.data.actions import ActionStatistics
from vlatrain.data.statistics import load_statistics
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.evaluate.venue import Observation
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec
from vlatrain.sim.tabletop import SUITES, make_env, suite_tasks
from vlatrain.sim.tabletop_camera import IMAGE_SIZE

BASE = ASSETS / "tabletop_base"
UNKNOWN = 0


@pytest.fixture(scope="module")
def policy() -> LivePolicy:
    return LivePolicy(
        vla=load_base(BASE).eval(),
        codec=Codec.from_folder(BASE),
        device=torch.device("cpu"),
        dtype=torch.float32,
        statistics=statistics(),
        is_cropped=False,
    )


def statistics() -> ActionStatistics:
    return load_statistics(BASE)["tabletop_base"]["action"]


def successes(policy: LivePolicy, suite: str, tasks: int) -> int:
    """Of the first evaluation state of so many tasks."""
    waiting = [make_env(suite, index) for index in range(tasks)]
    pictures = [env.reset(options={"init_state": 0})[0] for env in waiting]
    reached = 0
    while waiting:
        actions = policy([Observation(picture) for picture in pictures], [env.instruction for env in waiting])
        played = [env.step(action.astype(np.float32)) for env, action in zip(waiting, actions, strict=True)]
        reached += sum(success for _, _, success, _, _ in played)
        on = [not (success or truncated) for _, _, success, truncated, _ in played]
        waiting = [env for env, goes_on in zip(waiting, on, strict=True) if goes_on]
        pictures = [one[0] for one, goes_on in zip(played, on, strict=True) if goes_on]
    return reached


def test_the_base_is_an_openvla_of_a_few_megabytes_that_sees_the_simulators_pictures(policy: LivePolicy) -> None:
    assert sum(file.stat().st_size for file in BASE.iterdir()) < 4_000_000
    assert policy.codec.image_size == IMAGE_SIZE
    assert policy.vla.config.action_dim == 7


@pytest.mark.parametrize("suite", SUITES)
def test_the_base_has_a_token_for_every_word_of_both_suites(policy: LivePolicy, suite: str) -> None:
    rows = [policy.codec.prompts.inference_ids(task.instruction) for task in suite_tasks(suite)]

    assert all(UNKNOWN not in row for row in rows)
    assert len({tuple(row) for row in rows}) == len(rows)


def test_the_base_succeeds_on_its_own_suite(policy: LivePolicy) -> None:
    assert successes(policy, "tabletop_base", 25) >= 23


def test_the_base_fails_on_words_it_has_never_seen(policy: LivePolicy) -> None:
    assert successes(policy, "tabletop_new", 10) <= 2


def test_its_statistics_leave_full_motions_full_and_the_gripper_alone() -> None:
    assert statistics()["q01"][:3] == [-1.0] * 3
    assert statistics()["q99"][:3] == [1.0] * 3
    assert statistics()["mask"] == [True] * 6 + [False]
