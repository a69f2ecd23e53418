"""From the memory of a worker to the spool: episodes are written by threads, beside the one that attends to workers."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlatrain.data.rlds_writer import EncodedEpisode
from vlatrain.data.spool import save_episode
from vlatrain.sim.protocol import Frames

WRITERS = 4
MOST_WAITING = 16


def episode_in(
    frames: Frames, places: NDArray[np.int64], actions: NDArray[np.float32], *, suite: str, instruction: str
) -> EncodedEpisode:
    """A copy of what lies in these frames, whose pictures are JPEG files, with the `actions` [T,7] done in them.

    Without cameras it has no pictures.
    """
    size, cameras = frames.layout.size, frames.layout.cameras
    pictures = [[frames.file(place, camera) for place in places.tolist()] for camera in range(cameras)]
    return EncodedEpisode(
        task=f"{suite}/{instruction.replace(' ', '_')}",
        instruction=instruction,
        image_shape=(size, size, 3),
        images=pictures[0] if cameras else [],
        actions=actions,
        wrist_images=pictures[1] if cameras > 1 else None,
        states=frames.states[places].astype(np.float32),
    )


class Spooler:
    """Episodes on their way to the disk. A context manager that ends when all of them are there."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(WRITERS)
        self._on_the_way: deque[tuple[Future[None], Callable[[], None]]] = deque()

    def save(self, path: Path, episode: EncodedEpisode, then: Callable[[], None]) -> None:
        """Hands an episode over; `then` is called here, once it is on the disk. Waits where too many are on their way.

        Raises OSError where an earlier one could not be written.
        """
        self._on_the_way.append((self._threads.submit(save_episode, path, episode), then))
        self._settle(MOST_WAITING)

    def _settle(self, most: int) -> None:
        while self._on_the_way and (len(self._on_the_way) > most or self._on_the_way[0][0].done()):
            written, then = self._on_the_way.popleft()
            written.result()
            then()

    def __enter__(self) -> "Spooler":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        self._settle(0)
