"""Pictures passed through JPEG by the worker that took them. Runs in a worker's Python, which has Pillow."""

from vlatrain.data.jpeg import encoded, jpeg_pass
from vlatrain.sim.protocol import Frames


def develop(frames: Frames, count: int, quality: int) -> None:
    """Puts JPEG files in the place of the pictures of the first `count` frames."""
    for place in range(count):
        for camera in range(frames.layout.cameras):
            frames.put_file(place, camera, encoded(frames.images[place, camera], quality))


def store(frames: Frames, place: int) -> None:
    """Leaves in a frame what a data set would have made of its pictures."""
    for picture in frames.images[place]:
        picture[:] = jpeg_pass(picture)
