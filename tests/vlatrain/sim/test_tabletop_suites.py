import itertools
import math

import numpy as np
import pytest
from vlatrain.sim.tabletop_scene import BLOCK_SIDE, BOWL_RADIUS, MARGIN, TABLE
from vlatrain.sim.tabletop_suites import (
    COLOURS,
    SUITES,
    demonstration_scene,
    evaluation_scene,
    suite_tasks,
)


def test_the_base_suite_joins_every_block_with_every_bowl() -> None:
    assert [(task.block, task.bowl) for task in suite_tasks("tabletop_base")] == list(
        itertools.product(COLOURS, COLOURS)
    )


def test_the_new_suite_has_ten_tasks_that_use_every_colour_twice_in_each_part() -> None:
    tasks = suite_tasks("tabletop_new")

    assert len({task.name for task in tasks}) == len(tasks) == 10
    assert sorted(task.block for task in tasks) == sorted(COLOURS * 2)
    assert sorted(task.bowl for task in tasks) == sorted(COLOURS * 2)
    assert all(task.block != task.bowl for task in tasks)


def test_the_new_suite_shares_only_the_colours_with_the_base_suite() -> None:
    old = {word for task in suite_tasks("tabletop_base") for word in task.instruction.split()}
    new = {word for task in suite_tasks("tabletop_new") for word in task.instruction.split()}

    assert old & new == {"the", *COLOURS}
    assert new - old == {"drop", "cube", "into", "dish"}


def test_an_unknown_suite_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no tabletop suite 'tabletop_old'; there are tabletop_base, tabletop_new"):
        suite_tasks("tabletop_old")


@pytest.mark.parametrize("suite", SUITES)
def test_a_table_holds_the_named_things_and_two_others_of_each_kind_untouched(suite: str) -> None:
    for task, state in itertools.product(suite_tasks(suite), range(5)):
        scene = evaluation_scene(task, state)
        things = [(bowl.x, bowl.y, BOWL_RADIUS) for bowl in scene.bowls]
        things += [(block.x, block.y, BLOCK_SIDE / 2) for block in scene.blocks]

        assert len({block.colour for block in scene.blocks}) == len({bowl.colour for bowl in scene.bowls}) == 3
        assert scene.block(task.block) is not None
        assert scene.bowl(task.bowl) is not None
        assert all(math.dist(a[:2], b[:2]) > a[2] + b[2] for a, b in itertools.combinations(things, 2))
        assert all(MARGIN <= place <= TABLE - MARGIN for thing in things for place in thing[:2])


def test_the_named_things_lie_anywhere() -> None:
    """Neither order nor place gives the answer away."""
    task = suite_tasks("tabletop_base")[0]
    places = np.array([evaluation_scene(task, state).blocks[0][1:3] for state in range(300)])

    assert np.abs(places.mean(axis=0) - TABLE / 2).max() < 0.02
    assert places.std(axis=0).min() > 0.06


def test_an_evaluation_state_is_always_the_same_table() -> None:
    task = suite_tasks("tabletop_new")[3]

    assert evaluation_scene(task, 7) == evaluation_scene(task, 7)
    assert evaluation_scene(task, 7) != evaluation_scene(task, 8)


def test_a_negative_evaluation_state_is_refused() -> None:
    with pytest.raises(ValueError, match="init_state must be 0 or more, not -1"):
        evaluation_scene(suite_tasks("tabletop_new")[0], -1)


def test_no_demonstration_starts_on_a_table_of_the_evaluation() -> None:
    for suite in SUITES:
        for task in suite_tasks(suite):
            evaluated = {evaluation_scene(task, state) for state in range(30)}
            demonstrated = {demonstration_scene(task, seed, index)[0] for seed in range(5) for index in range(30)}

            assert len(demonstrated) == 150
            assert not evaluated & demonstrated
