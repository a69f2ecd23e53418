"""Frames that stay on the device give the batches that loading would give."""

from itertools import islice

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from vlatrain.data.batches import Batches
from vlatrain.data.resident import resident
from vlatrain.data.resize import resize
from vlatrain.data.rlds import Frame

PAD, SIZE, FRAMES = 99, 8, 600


class DrawnFrames:
    """Frame k is drawn from k, with both cameras and the hand's state; texts differ in length."""

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, place: int) -> Frame:
        draws = np.random.default_rng(place)
        image, wrist = draws.integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
        state = draws.normal(size=8).astype(np.float32)
        following = np.zeros((min(2, FRAMES - 1 - place), 7), np.float32)
        return Frame(image, "go " * (place % 3), np.zeros(7, np.float32), 0, place, wrist, state, following)


class WordPrompts:
    def training_ids(self, instruction: str, action_ids: list[int]) -> tuple[list[int], list[int]]:
        words = [1] * (1 + len(instruction.split()))
        return words + action_ids, [-100] * len(words) + action_ids


class NoActions:
    def encode(self, actions: ArrayLike) -> NDArray[np.int64]:
        return np.full(np.shape(actions), 5, np.int64)


def test_batches_are_those_that_loading_gives_on_any_rank_and_across_epochs() -> None:
    for rank in range(2):
        loader = Batches(
            DrawnFrames(),
            WordPrompts(),
            NoActions(),
            pad_token_id=PAD,
            batch_size=7,
            seed=3,
            rank=rank,
            world_size=2,
            chunk=3,
        )
        kept = resident(loader, torch.device("cpu"), SIZE, PAD, 2)
        start = FRAMES - 20
        pairs = list(islice(zip(loader.stream(start), kept.stream(start), strict=True), 4))
        assert len(pairs) == 4
        for loaded, found in pairs:
            width = loaded.input_ids.shape[1]
            assert torch.equal(found.images, resize(loaded.images, SIZE))
            assert found.wrists is not None
            assert loaded.wrists is not None
            assert found.states is not None
            assert loaded.states is not None
            assert torch.equal(found.wrists, resize(loaded.wrists, SIZE))
            assert torch.equal(found.states, loaded.states)
            assert torch.equal(found.input_ids[:, :width], loaded.input_ids)
            assert torch.equal(found.labels[:, :width], loaded.labels)
            assert (found.input_ids[:, width:] == PAD).all()
            assert (found.labels[:, width:] == -100).all()
            assert torch.equal(found.lengths, loaded.lengths)
            assert np.array_equal(found.positions, loaded.positions)
