import math

import pytest
from vlatrain.sim.tabletop_physics import CEILING, GRASP_HEIGHT, STEP, advance, rests_in_bowl
from vlatrain.sim.tabletop_scene import BLOCK_SIDE, BOWL_RADIUS, TABLE, Block, Bowl, Hand, Scene

STILL = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
BLOCK, BOWL = Block("red", 0.1, 0.1), Bowl("green", 0.3, 0.3)


def scene(hand: Hand, *blocks: Block, held: int | None = None) -> Scene:
    return Scene(hand, blocks or (BLOCK,), (BOWL,), held)


def over(block: Block, z: float = GRASP_HEIGHT) -> Hand:
    return Hand(block.x, block.y, z)


def gripping(block: Block, z: float = 0.11) -> Scene:
    return Scene(Hand(block.x, block.y, z, opening=0.5), (block._replace(z=z - GRASP_HEIGHT),), (BOWL,), held=0)


@pytest.mark.parametrize(("axis", "name"), [(0, "x"), (1, "y"), (2, "z")])
@pytest.mark.parametrize("amount", [-1.0, -0.25, 0.5, 1.0])
def test_a_unit_of_action_moves_the_hand_by_one_step_along_its_axis(axis: int, name: str, amount: float) -> None:
    start = Hand(0.2, 0.2, 0.08)
    action = [0.0] * 7
    action[axis] = amount

    moved = advance(scene(start), action).hand

    assert getattr(moved, name) == pytest.approx(getattr(start, name) + amount * STEP)
    assert moved._replace(**{name: 0}) == start._replace(**{name: 0})


def test_actions_beyond_one_count_as_one() -> None:
    start = scene(Hand(0.2, 0.2, 0.08))

    assert advance(start, [7, -7, 0, 0, 0, 0, 0]) == advance(start, [1, -1, 0, 0, 0, 0, 0])


def test_the_hand_stays_over_the_table_and_under_the_ceiling() -> None:
    there, here = scene(Hand(0.2, 0.2, 0.08)), scene(Hand(0.2, 0.2, 0.08))
    for _ in range(20):
        there, here = advance(there, [1, 1, 1, 0, 0, 0, -1]), advance(here, [-1, -1, -1, 0, 0, 0, -1])

    assert there.hand[:3] == (TABLE, TABLE, CEILING)
    assert here.hand[:3] == (0.0, 0.0, GRASP_HEIGHT)


def test_turning_adds_up_and_a_half_turn_is_no_turn() -> None:
    start = scene(Hand(0.2, 0.2, 0.08))

    turned = advance(advance(start, [0, 0, 0, 0.5, -0.5, 1, 0]), [0, 0, 0, 0.5, -0.5, 1, 0]).hand

    assert (turned.roll, turned.pitch, turned.yaw) == (0.5, -0.5, 1.0)
    assert advance(Scene(turned._replace(yaw=1.5), (), ()), [0, 0, 0, 0, 0, 1, 0]).hand.yaw == pytest.approx(
        2 - math.pi
    )


def test_closing_around_a_block_holds_it_and_lifting_takes_it_along() -> None:
    held = advance(scene(over(BLOCK)), [*STILL, 1])

    assert held.held == 0
    assert held.hand.opening == 0.5

    lifted = advance(held, [1, 0, 1, 0, 0, 0, 1])

    assert lifted.blocks[0].z == pytest.approx(STEP)
    assert lifted.blocks[0].x == pytest.approx(BLOCK.x + STEP)


@pytest.mark.parametrize(
    "hand",
    [
        pytest.param(over(BLOCK)._replace(x=BLOCK.x + 0.025), id="beside it"),
        pytest.param(over(BLOCK)._replace(y=BLOCK.y - 0.025), id="before it"),
        pytest.param(over(BLOCK, z=0.05), id="above it"),
        pytest.param(over(BLOCK)._replace(yaw=math.pi / 4), id="askew"),
        pytest.param(over(BLOCK)._replace(roll=0.5), id="rolled"),
        pytest.param(over(BLOCK)._replace(pitch=-0.5), id="pitched"),
        pytest.param(over(BLOCK)._replace(opening=0.5), id="half shut already"),
    ],
)
def test_closing_elsewhere_or_askew_holds_nothing(hand: Hand) -> None:
    assert advance(scene(hand), [*STILL, 1]).held is None


def test_a_quarter_turned_hand_holds_as_well() -> None:
    assert advance(scene(over(BLOCK)._replace(yaw=math.pi / 2)), [*STILL, 1]).held == 0


def test_fingers_shut_in_two_steps_and_open_in_two() -> None:
    openings, state = [], scene(Hand(0.2, 0.2, 0.1))
    for grip in (1, 1, 1, -1, -1, -1, 0):
        state = advance(state, [*STILL, grip])
        openings.append(state.hand.opening)

    assert openings == [0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]


def test_a_block_let_go_falls_straight_onto_the_table() -> None:
    dropped = advance(gripping(BLOCK), [*STILL, -1])

    assert dropped.held is None
    assert dropped.blocks[0] == BLOCK


def test_only_a_block_let_go_over_the_bowl_rests_in_it() -> None:
    above = gripping(Block("red", BOWL.x + 0.02, BOWL.y))

    assert not rests_in_bowl(above, "red", "green")
    assert rests_in_bowl(advance(above, [*STILL, -1]), "red", "green")
    assert not rests_in_bowl(advance(gripping(BLOCK), [*STILL, -1]), "red", "green")


def test_a_block_let_go_over_the_rim_rolls_outside() -> None:
    dropped = advance(gripping(Block("red", BOWL.x + BOWL_RADIUS, BOWL.y)), [*STILL, -1])

    assert not rests_in_bowl(dropped, "red", "green")
    assert dropped.blocks[0].z == 0
    assert dropped.blocks[0].x - BOWL.x > BOWL_RADIUS + BLOCK_SIDE / 2


def test_a_block_let_go_over_another_is_stacked_and_off_its_edge_rolls_down() -> None:
    below = Block("blue", BLOCK.x, BLOCK.y)
    high = gripping(BLOCK._replace(x=BLOCK.x + 0.01))
    stacked = advance(Scene(high.hand, (*high.blocks, below), (BOWL,), 0), [*STILL, -1])
    high = gripping(BLOCK._replace(x=BLOCK.x + 0.03))
    beside = advance(Scene(high.hand, (*high.blocks, below), (BOWL,), 0), [*STILL, -1])

    assert stacked.blocks[0].z == BLOCK_SIDE
    assert beside.blocks[0].z == 0
    assert beside.blocks[0].x == pytest.approx(below.x + BLOCK_SIDE)


def test_a_finger_above_a_block_stands_on_it() -> None:
    one_finger_above = Hand(BLOCK.x + 0.04, BLOCK.y, 0.06)

    pressed = advance(scene(one_finger_above), [0, 0, -1, 0, 0, 0, -1])

    assert pressed.hand.z == BLOCK_SIDE
    assert pressed.blocks[0] == BLOCK


def test_a_low_finger_pushes_the_block_beside_it_but_not_over_the_rim() -> None:
    low = Hand(BLOCK.x - 0.09, BLOCK.y, GRASP_HEIGHT, opening=0.0)
    pushed = advance(scene(low), [1, 0, 0, 0, 0, 0, 1])
    pushed = advance(pushed, [1, 0, 0, 0, 0, 0, 1])
    state = scene(low._replace(x=0.15, y=0.3), Block("red", 0.2, 0.3))
    for _ in range(6):
        state = advance(state, [0.5, 0, 0, 0, 0, 0, 1])

    assert pushed.blocks[0].x > BLOCK.x + 0.04
    assert pushed.blocks[0].y == BLOCK.y
    assert state.blocks[0].x > 0.2
    assert not rests_in_bowl(state, "red", "green")


def test_a_high_hand_touches_nothing() -> None:
    state = scene(Hand(0.0, BLOCK.y, 0.08))
    for _ in range(8):
        state = advance(state, [1, 0, 0, 0, 0, 0, 1])

    assert state.blocks == (BLOCK,)
