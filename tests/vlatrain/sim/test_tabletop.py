import itertools

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from vlatrain.sim.tabletop import SUITES, TabletopEnv, expert_action, make_env, suite_tasks

IDLE = np.zeros(7, np.float32)


def played(env: TabletopEnv, state: int) -> list[np.ndarray]:
    """The pictures of one episode of the expert."""
    picture, _ = env.reset(options={"init_state": state})
    pictures = [picture]
    over = False
    while not over:
        picture, _, success, truncated, _ = env.step(expert_action(env))
        pictures.append(picture)
        over = success or truncated
    return pictures


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes:UserWarning")
@pytest.mark.filterwarnings("error")
def test_the_environment_keeps_gymnasiums_contract(suite: str) -> None:
    check_env(TabletopEnv(suite_tasks(suite)[0], render_mode="rgb_array"))


def test_an_environment_is_of_the_task_asked_for() -> None:
    env = make_env("tabletop_new", 4, image_size=64, max_steps=5)

    assert env.task == suite_tasks("tabletop_new")[4]
    assert env.instruction == "drop the purple cube into the red dish"
    assert env.reset()[0].shape == (64, 64, 3)
    assert env.max_steps == 5


def test_the_same_seed_gives_the_same_table_in_any_environment() -> None:
    one, other = make_env("tabletop_base", 0), make_env("tabletop_base", 0)

    assert (one.reset(seed=5)[0] == other.reset(seed=5)[0]).all()
    assert (one.reset()[0] == other.reset()[0]).all()
    assert (one.reset(seed=5)[0] != other.reset(seed=6)[0]).any()


def test_an_evaluation_state_does_not_depend_on_what_went_before() -> None:
    used, fresh = make_env("tabletop_base", 7), make_env("tabletop_base", 7)
    played(used, 3)
    used.reset(seed=11)

    for a, b in itertools.zip_longest(played(used, 2), played(fresh, 2)):
        assert (a == b).all()


def test_an_episode_ends_with_the_reward_when_the_block_rests_in_the_bowl() -> None:
    env = make_env("tabletop_base", 2)
    env.reset(options={"init_state": 0})
    over = False
    while not over:
        _, reward, over, truncated, info = env.step(expert_action(env))
        assert not truncated
        assert reward == float(info["success"]) == float(over)

    assert info == {"success": True, "instruction": env.instruction}


def test_an_episode_without_success_is_cut_at_the_step_limit() -> None:
    env = make_env("tabletop_base", 0, max_steps=3)
    env.reset(options={"init_state": 0})

    assert [env.step(IDLE)[1:4] for _ in range(3)] == [(0.0, False, False), (0.0, False, False), (0.0, False, True)]


def test_the_same_things_in_another_pairing_are_no_success() -> None:
    env = make_env("tabletop_base", 0)
    env.reset(options={"init_state": 0})
    wrong = next(bowl.colour for bowl in env.scene.bowls if bowl.colour != env.task.bowl)
    other = next(
        index
        for index, task in enumerate(suite_tasks("tabletop_base"))
        if (task.block, task.bowl) == (env.task.block, wrong)
    )
    misled = make_env("tabletop_base", other)
    misled.scene = env.scene
    for _ in range(env.max_steps):
        action = expert_action(misled)
        misled.step(action)
        _, _, success, _, _ = env.step(action)
        assert not success
        if misled.scene.held is None and misled.scene.blocks != env.scene.blocks:
            break

    assert env.scene.blocks[0][1:3] == pytest.approx(env.scene.bowl(wrong)[1:], abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init_state": -1}, "init_state must be 0 or more, not -1"),
        ({"state": 1}, r"unknown reset options \['state'\]; there is init_state"),
    ],
)
def test_reset_refuses_what_it_does_not_understand(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_env("tabletop_base", 0).reset(options=options)


@pytest.mark.parametrize("action", [np.zeros(6, np.float32), np.full(7, np.nan, np.float32)])
def test_step_refuses_what_is_no_action(action: np.ndarray) -> None:
    env = make_env("tabletop_base", 0)
    env.reset(seed=0)

    with pytest.raises(ValueError, match="an action is seven finite numbers"):
        env.step(action)


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="no tabletop suite 'kitchen'"):
        make_env("kitchen", 0)
