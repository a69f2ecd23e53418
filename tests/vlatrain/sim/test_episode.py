import numpy as np
import pytest
from vlatrain.sim.episode import Episode

IMAGES = np.zeros((3, 8, 8, 3), np.uint8)
ACTIONS = np.zeros((3, 7), np.float32)


def test_an_episode_is_as_long_as_its_pictures() -> None:
    assert len(Episode(task="t", instruction="i", images=IMAGES, actions=ACTIONS)) == 3


@pytest.mark.parametrize(
    ("images", "actions", "message"),
    [
        (IMAGES.astype(np.float32), ACTIONS, "images must be uint8"),
        (IMAGES[..., :1], ACTIONS, "images must be uint8"),
        (IMAGES[0], ACTIONS, "images must be uint8"),
        (IMAGES, ACTIONS[:2], r"actions must be float32 \[3,7\]"),
        (IMAGES, ACTIONS[:, :6], r"actions must be float32 \[3,7\]"),
        (IMAGES, ACTIONS.astype(np.float64), r"actions must be float32 \[3,7\]"),
    ],
)
def test_arrays_of_the_wrong_kind_are_refused(images: np.ndarray, actions: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Episode(task="t", instruction="i", images=images, actions=actions)
