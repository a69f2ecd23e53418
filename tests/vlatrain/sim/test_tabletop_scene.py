import math

import numpy as np
import pytest
from vlatrain.sim.tabletop_scene import Hand

THIRD = 2 * math.pi / 3 / math.sqrt(3)


@pytest.mark.parametrize(
    ("angles", "turn"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.3, 0.0, 0.0), (0.3, 0.0, 0.0)),
        ((0.0, -0.4, 0.0), (0.0, -0.4, 0.0)),
        ((0.0, 0.0, 1.2), (0.0, 0.0, 1.2)),
        ((math.pi / 2, 0.0, math.pi / 2), (THIRD, THIRD, THIRD)),  # x becomes y, y becomes z, z becomes x
    ],
)
def test_a_hand_s_state_has_its_place_its_turn_about_an_axis_and_both_fingers(
    angles: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    hand = Hand(0.1, 0.2, 0.3, *angles, opening=0.5)
    np.testing.assert_allclose(hand.state(), [0.1, 0.2, 0.3, *turn, 0.02, -0.02], atol=1e-12)
