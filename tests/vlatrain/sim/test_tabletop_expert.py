import itertools
from dataclasses import replace

import numpy as np
import pytest
from vlatrain.sim.tabletop_expert import STEP_LIMIT, demonstrated_steps, demonstrations, scripted_action
from vlatrain.sim.tabletop_physics import advance, rests_in_bowl
from vlatrain.sim.tabletop_scene import Scene
from vlatrain.sim.tabletop_suites import SUITES, Task, evaluation_scene, suite_tasks


def steps_to_goal(scene: Scene, task: Task, limit: int = STEP_LIMIT) -> int | None:
    for step in range(1, limit + 1):
        scene = advance(scene, scripted_action(scene, task).tolist())
        if rests_in_bowl(scene, task.block, task.bowl):
            return step
    return None


@pytest.mark.parametrize("suite", SUITES)
def test_the_expert_reaches_the_goal_well_within_the_limit(suite: str) -> None:
    taken = [
        steps_to_goal(evaluation_scene(task, state), task)
        for task, state in itertools.product(suite_tasks(suite), range(20))
    ]

    reached = [steps for steps in taken if steps is not None]
    assert len(reached) >= 0.99 * len(taken)
    assert np.mean(reached) < STEP_LIMIT / 2


def test_the_expert_lets_go_of_a_wrong_block_and_still_reaches_the_goal() -> None:
    task = suite_tasks("tabletop_base")[1]
    scene = evaluation_scene(task, 0)
    wrong = replace(task, block=next(block.colour for block in scene.blocks if block.colour != task.block))
    while scene.held is None:
        scene = advance(scene, scripted_action(scene, wrong).tolist())

    assert scene.held != scene.block(task.block)
    assert steps_to_goal(scene, task) is not None


def test_the_expert_never_asks_for_more_than_a_unit() -> None:
    actions = np.concatenate([episode.actions for episode in demonstrations("tabletop_base", 25, seed=1)])

    assert np.abs(actions).max() <= 1.0
    assert set(np.unique(actions[:, 6])) == {-1.0, 1.0}
    assert not np.signbit(actions[actions == 0]).any()


def test_demonstrations_tell_the_hand_s_state_beside_each_picture() -> None:
    [(_, steps)], [episode] = demonstrated_steps("tabletop_base", 1, 5), demonstrations("tabletop_base", 1, 5)
    assert episode.states is not None
    hands = [scene.hand for scene, _ in steps]
    np.testing.assert_allclose(episode.states[:, :3], [(hand.x, hand.y, hand.z) for hand in hands], rtol=1e-6)
    np.testing.assert_allclose(episode.states[:, 6] - episode.states[:, 7], [0.08 * hand.opening for hand in hands])
    assert len(set(episode.states[:, 6])) > 1, "it closes and opens"


def test_demonstrations_take_the_tasks_in_turn() -> None:
    names = [episode.task for episode in demonstrations("tabletop_new", 23, seed=0)]

    assert names == [suite_tasks("tabletop_new")[number % 10].name for number in range(23)]


def test_demonstrations_depend_on_the_seed_alone() -> None:
    first, again, other = (list(demonstrations("tabletop_new", 5, seed)) for seed in (3, 3, 4))

    assert all(
        (a.images == b.images).all() and (a.actions == b.actions).all() for a, b in zip(first, again, strict=True)
    )
    assert not any(np.array_equal(a.images, b.images) for a, b in zip(first, other, strict=True))


def test_more_demonstrations_begin_with_the_same_ones() -> None:
    few, many = list(demonstrations("tabletop_new", 3, 0)), list(demonstrations("tabletop_new", 6, 0))

    assert all(np.array_equal(a.images, b.images) for a, b in zip(few, many[:3], strict=True))


def test_every_demonstration_ends_one_action_before_its_goal() -> None:
    for task, steps in demonstrated_steps("tabletop_base", 25, seed=2):
        assert not any(rests_in_bowl(scene, task.block, task.bowl) for scene, _ in steps)
        last, action = steps[-1]
        assert action[6] == -1.0
        assert last.held == last.block(task.block)


def test_the_recorded_action_is_the_experts_even_where_the_hand_did_not_obey() -> None:
    disobeyed = 0
    for task, steps in demonstrated_steps("tabletop_base", 25, seed=5):
        for (scene, action), (after, _) in itertools.pairwise(steps):
            assert (action == scripted_action(scene, task)).all()
            disobeyed += advance(scene, action.tolist()).hand != after.hand

    assert disobeyed > 50


def test_nearness_does_not_give_the_asked_block_away() -> None:
    """In a good part of the frames with an empty hand another block is nearer than the one that was asked for."""
    misleading, empty = 0, 0
    for task, steps in demonstrated_steps("tabletop_base", 100, seed=9):
        for scene, _ in steps:
            if scene.held is None:
                distances = [np.hypot(block.x - scene.hand.x, block.y - scene.hand.y) for block in scene.blocks]
                misleading += int(np.argmin(distances)) != scene.block(task.block)
                empty += 1

    assert misleading / empty > 0.3
