"""Which sample comes when: a pure function of (seed, epoch, global position), the same for any number of ranks.

The global position counts the samples that all ranks together have taken since the start of the run.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@lru_cache(maxsize=2)
def sample_order(seed: int, epoch: int, n: int) -> NDArray[np.uint32]:
    """The permutation of 0..n-1 in which `epoch` visits the samples; read-only.

    Sorted raw Philox numbers: unlike Generator.permutation, numpy promises them never to change between versions. Two
    epochs are kept, since a batch may lie across their border; 4 bytes a sample.
    """
    key = np.array([seed, epoch], dtype=np.uint64)
    order = np.argsort(np.random.Philox(key=key).random_raw(n), kind="stable").astype(np.uint32)
    order.flags.writeable = False
    return order


def indices_at(seed: int, n: int, positions: Indices) -> Indices:
    """The samples at the given ascending global positions, across epochs, of a set of `n`."""
    epochs, places = np.divmod(positions, n)
    parts = [sample_order(seed, int(epoch), n)[places[epochs == epoch]] for epoch in np.unique(epochs)]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def rank_positions(position: int, batch_size: int, rank: int, world_size: int) -> Indices:
    """The global positions of one rank's batch when the ranks together stand at `position`: interleaved slices."""
    return position + rank + world_size * np.arange(batch_size)
