"""vlatrain.sim.spooling and the spool: episodes reach the disk whole and in order, and what does not is told."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from vlatrain.data.jpeg import decoded
from vlatrain.data.spool import load_ahead
from vlatrain.sim.developing import develop
from vlatrain.sim.protocol import Frames, Layout
from vlatrain.sim.spooling import Spooler, episode_in


def frames_of(layout: Layout) -> Frames:
    memory = os.memfd_create("frames")
    try:
        os.ftruncate(memory, layout.size_bytes)
        return Frames(memory, layout)
    finally:
        os.close(memory)


@pytest.fixture
def frames() -> Frames:
    """Ten frames of two cameras, as JPEG: frame t is 20 t grey, of the other camera 20 t + 10."""
    made = frames_of(Layout(10, 2, 32, 5))
    for place in range(10):
        made.images[place, 0], made.images[place, 1] = 20 * place, 20 * place + 10
        made.states[place], made.coordinates[place] = place, -place
    develop(made, 10, 95)
    return made


def test_an_episode_is_what_lies_in_its_frames(frames: Frames) -> None:
    episode = episode_in(frames, np.array([2, 5]), np.zeros((2, 7), np.float32), suite="s", instruction="go there")
    assert (episode.task, episode.image_shape) == ("s/go_there", (32, 32, 3))
    assert [int(decoded(one).mean()) for one in episode.images] == [40, 100]
    assert episode.wrist_images is not None
    assert [int(decoded(one).mean()) for one in episode.wrist_images] == [50, 110]
    assert episode.states is not None
    assert episode.states[:, 0].tolist() == [2, 5]


def test_episodes_are_on_the_disk_when_it_ends_and_are_read_back_in_order(frames: Frames, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.npz" for number in range(9)]
    on_the_disk: list[bool] = []

    def note(file: Path) -> None:
        on_the_disk.append(file.is_file())

    with Spooler() as spooler:
        for number, file in enumerate(files):
            actions = np.full((1, 7), number, np.float32)
            episode = episode_in(frames, np.array([number]), actions, suite="s", instruction="go")
            spooler.save(file, episode, partial(note, file))
    assert on_the_disk == [True] * 9
    assert [episode.actions[0, 0] for episode in load_ahead(files)] == list(range(9))


def test_an_episode_that_cannot_be_written_is_an_error(frames: Frames, tmp_path: Path) -> None:
    episode = episode_in(frames, np.array([1]), np.zeros((1, 7), np.float32), suite="s", instruction="go")
    with pytest.raises(FileNotFoundError), Spooler() as spooler:
        spooler.save(tmp_path / "no such folder" / "1.npz", episode, lambda: pytest.fail("it is not there"))


def test_a_jpeg_file_larger_than_its_pixels_is_refused() -> None:
    frames = frames_of(Layout(1, 1, 4))
    with pytest.raises(ValueError, match="for 48 bytes of pixels"):
        develop(frames, 1, 95)
