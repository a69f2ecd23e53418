"""What is written as LIBERO's own HDF5 files is read back: both cameras and the hand's states."""

from pathlib import Path

import numpy as np
from vlatrain.data.hdf5 import hdf5_episodes
from vlatrain.data.hdf5_writer import write_hdf5
from vlatrain.data.jpeg import decoded
from vlatrain.data.rlds_writer import encoded
from vlatrain.sim.episode import Episode


def test_both_cameras_and_the_states_come_back(tmp_path: Path) -> None:
    draws = np.random.default_rng(2)
    images, wrists = draws.integers(0, 256, (2, 5, 16, 16, 3), dtype=np.uint8)
    states = draws.normal(size=(5, 8)).astype(np.float32)
    actions = draws.uniform(0.1, 1, (5, 7)).astype(np.float32)
    made = encoded(
        Episode(
            task="s/open_it", instruction="open it", images=images, actions=actions, wrist_images=wrists, states=states
        ),
        95,
    )
    [read] = hdf5_episodes(write_hdf5(tmp_path / "out", [made]))
    assert (read.instruction, read.task) == ("open it", "open_it_demo")
    assert made.wrist_images is not None
    assert read.wrist_images is not None
    assert read.states is not None
    assert np.array_equal(read.images, [decoded(one) for one in made.images])
    assert np.array_equal(read.wrist_images, [decoded(one) for one in made.wrist_images])
    assert np.array_equal(read.states, states)
    assert np.array_equal(read.actions, actions)
