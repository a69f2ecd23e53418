import hashlib
from typing import Any

import numpy as np
import pytest
from vlatrain.sim.tabletop_camera import IMAGE_SIZE, RGB, render
from vlatrain.sim.tabletop_scene import Block, Bowl, Hand, Scene
from vlatrain.sim.tabletop_suites import evaluation_scene, suite_tasks

ASIDE = Hand(0.37, 0.03, 0.1)
EMPTY = Scene(ASIDE, (), ())
# The tiny base model was taught on these pictures: whoever changes them must make it anew.
TAUGHT_ON = "ddd76a30ff823073"


def differing(before: Scene, after: Scene) -> np.ndarray:
    """Columns and rows of the pixels that differ, as [N, 2] of (row, column)."""
    return np.argwhere((render(before) != render(after)).any(axis=2))


def test_the_pictures_are_those_that_the_tiny_base_was_taught_on() -> None:
    bowls = tuple(Bowl(colour, 0.06 + 0.07 * index, 0.3) for index, colour in enumerate(RGB))
    blocks = tuple(Block(colour, 0.053 + 0.071 * index, 0.11) for index, colour in enumerate(RGB))
    hands = [Hand(0.21, 0.17, 0.11), Hand(0.052, 0.112, 0.01, opening=0.5), Hand(0.33, 0.29, 0.07)]
    pictures = [render(Scene(hand, blocks, bowls)) for hand in hands]

    assert hashlib.sha256(np.stack(pictures).tobytes()).hexdigest()[:16] == TAUGHT_ON


@pytest.mark.parametrize("size", [IMAGE_SIZE, 64, 224])
def test_a_picture_is_bytes_of_the_size_asked_for(size: int) -> None:
    picture = render(EMPTY, size)

    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("colour", RGB)
def test_a_block_and_a_bowl_show_their_colour_where_they_lie(colour: str) -> None:
    block = Scene(ASIDE, (Block(colour, 0.1, 0.2),), ())
    bowl = Scene(ASIDE, (), (Bowl(colour, 0.1, 0.2),))

    for shown in (block, bowl):
        places = differing(EMPTY, shown)
        pixels = render(shown)[tuple(places.T)].astype(int)

        assert abs(places[:, 1].mean() - 0.1 / 0.4 * IMAGE_SIZE) < 1.5
        assert np.abs(pixels - RGB[colour]).sum(axis=1).min() < 12


@pytest.mark.parametrize(
    ("moved", "axis", "sign"),
    [({"x": 0.25}, 1, 1), ({"y": 0.25}, 0, -1)],
    ids=["right is right", "farther is higher"],
)
def test_where_a_block_lies_is_where_it_is_seen(moved: dict[str, Any], axis: int, sign: int) -> None:
    block = Block("red", 0.2, 0.2)
    before = differing(EMPTY, Scene(ASIDE, (block,), ())).mean(axis=0)
    after = differing(EMPTY, Scene(ASIDE, (block._replace(**moved),), ())).mean(axis=0)

    assert sign * (after - before)[axis] > 3
    assert abs((after - before)[1 - axis]) < 1


def test_a_shift_of_a_tenth_of_a_pixel_is_visible() -> None:
    tenth = 0.4 / IMAGE_SIZE / 10
    here, there = (Scene(ASIDE, (Block("blue", x, 0.2),), ()) for x in (0.2, 0.2 + tenth))

    assert len(differing(here, there)) > 0


@pytest.mark.parametrize(
    "hand",
    [
        ASIDE._replace(z=0.05),
        ASIDE._replace(opening=0.5),
        ASIDE._replace(yaw=0.7),
        ASIDE._replace(roll=0.5),
        ASIDE._replace(pitch=0.5),
    ],
    ids=["height", "opening", "yaw", "roll", "pitch"],
)
def test_everything_about_the_hand_is_visible(hand: Hand) -> None:
    assert len(differing(EMPTY, Scene(hand, (), ()))) > 3


def test_a_held_block_is_drawn_in_the_hand() -> None:
    hand = Hand(0.2, 0.2, 0.11, opening=0.5)
    held = Scene(hand, (Block("red", 0.2, 0.2, 0.1),), (), held=0)
    lying = Scene(hand, (Block("red", 0.2, 0.2, 0.0),), ())
    without = Scene(hand, (), ())

    assert differing(without, held)[:, 0].mean() < differing(without, lying)[:, 0].mean() - 4


def test_drawing_one_scene_leaves_no_trace_in_the_next() -> None:
    first = render(evaluation_scene(suite_tasks("tabletop_base")[0], 0))
    render(evaluation_scene(suite_tasks("tabletop_base")[1], 1))

    assert (render(evaluation_scene(suite_tasks("tabletop_base")[0], 0)) == first).all()


def test_a_hand_beyond_every_edge_is_still_drawn_without_error() -> None:
    corners = [Hand(x, y, z, yaw=1.5) for x in (0.0, 0.4) for y in (0.0, 0.4) for z in (0.0, 0.16)]

    assert all(render(Scene(hand, (), ())).shape == (IMAGE_SIZE, IMAGE_SIZE, 3) for hand in corners)
