"""From what a simulator shows to what it is told to do, against a second writing of the published evaluation.

The second writing is numpy alone, after experiments/robot/{robot_utils,openvla_utils,libero/run_libero_eval} and the
modeling and processing files of openvla/openvla. Its pictures begin where those that TensorFlow made end.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from vlatrain.data.statistics import dataset_statistics
from vlatrain.evaluate.policy import LivePolicy, as_stored
from vlatrain.evaluate.venue import Observation
from vlatrain.model.codec import Codec

MATERIALS = Path(__file__).parents[1] / "materials"
MEANS = ((0.485, 0.456, 0.406), (0.5, 0.5, 0.5))
STDS = ((0.229, 0.224, 0.225), (0.5, 0.5, 0.5))
TASK = "Pick up the black bowl"


def picture(name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(MATERIALS / f"{name}.png"))


def published_pixels(cropped: NDArray[np.uint8]) -> NDArray[np.float32]:
    """PrismaticImageProcessor: to_tensor and normalise for each tower, stacked on channels."""
    unit = cropped.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    towers = [
        (unit - np.array(mean, np.float32)[:, None, None]) / np.array(std, np.float32)[:, None, None]
        for mean, std in zip(MEANS, STDS, strict=True)
    ]
    return np.concatenate(towers)


def published_action(
    ids: NDArray[np.int64], vocab_size: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """predict_action, then normalize_gripper_action(binarize=True) and invert_gripper_action."""
    edges = np.linspace(-1, 1, 256)
    centres = (edges[:-1] + edges[1:]) / 2.0
    discretized = np.clip(vocab_size - ids - 1, a_min=0, a_max=centres.shape[0] - 1)
    normalized = centres[discretized]
    mask = np.array([True] * 6 + [False])
    action = np.where(mask, 0.5 * (normalized + 1) * (high - low) + low, normalized)
    action[..., -1] = 2 * (action[..., -1] - 0.0) / (1.0 - 0.0) - 1
    action[..., -1] = np.sign(action[..., -1])
    action[..., -1] = action[..., -1] * -1.0
    return np.asarray(action)


class Listener:
    """Stands in for the model: keeps what it is given, and answers with the tokens that it was told."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self.ids = torch.from_numpy(ids)

    def predict(self, pixel_values: Tensor, input_ids: Tensor, lengths: Tensor, states: Tensor | None = None) -> Tensor:
        self.pixel_values, self.input_ids, self.lengths = pixel_values, input_ids, lengths
        assert states is None
        return self.ids


@pytest.fixture
def codec(tiny_folder: Path) -> Codec:
    """A tiny model's, at the published size of pictures."""
    found = Codec.from_folder(tiny_folder)
    return Codec(prompts=found.prompts, actions=found.actions, constants=found.constants, image_size=224)


@pytest.mark.parametrize("is_stored", [False, True], ids=["as seen", "as stored"])
def test_every_step_from_the_camera_to_the_gripper_is_the_published_one(codec: Codec, is_stored: bool) -> None:
    draws = np.random.default_rng(5)
    vocab = codec.actions.vocab
    ids = draws.integers(vocab - 256, vocab, (2, 7))
    ids[0, :3], ids[1, 6] = (vocab - 1, vocab - 256, vocab - 255), vocab - 256
    statistics = dataset_statistics(draws.uniform(-1, 1, (50, 7)).astype(np.float32), 3)["action"]
    listener = Listener(ids)
    policy = LivePolicy(
        vla=listener,  # type: ignore[arg-type]  # all that it uses of a model
        codec=codec,
        device=torch.device("cpu"),
        dtype=torch.float32,
        statistics=statistics,
        is_cropped=True,
    )
    seen = [Observation(picture(f"libero_observation_{number}")) for number in (0, 1)]
    actions = policy([as_stored(one) for one in seen] if is_stored else seen, [TASK, TASK])
    for row in (0, 1):
        expected = published_pixels(picture(f"libero_observation_{row}_cropped"))
        assert np.array_equal(listener.pixel_values[row].numpy(), expected)
    low, high = np.array(statistics["q01"]), np.array(statistics["q99"])
    assert np.array_equal(actions, published_action(ids, vocab, low, high))
    assert set(actions[:, 6]) <= {-1.0, 1.0}
    prompt = f"In: What action should the robot take to {TASK.lower()}?\nOut:"
    assert listener.input_ids[0].tolist() == codec.prompts.spelt(prompt)[0]
    assert listener.lengths.tolist() == [listener.input_ids.shape[1]] * 2
