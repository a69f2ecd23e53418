"""Philox's random numbers for many counters at once: those that numpy draws one counter after the other.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), Philox 4x64 in ten rounds.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
ROUNDS = 10
FACTORS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
"""By which the two keys grow from round to round"""
HALF, LOW, WORD = np.uint64(32), np.uint64(0xFFFFFFFF), 1 << 64


def philox(key: tuple[int, int], seconds: Words, third: int, count: int) -> Words:
    """What `np.random.Philox(key, counter=[0, second, third, 0]).random_raw(count)` draws for each, [N, count]."""
    blocks = -(-count // 4)
    first = np.arange(1, blocks + 1, dtype=np.uint64)[None].repeat(len(seconds), 0)  # numpy counts before it draws
    words = [first, np.broadcast_to(seconds[:, None], first.shape), np.full_like(first, third), np.zeros_like(first)]
    for turn in range(ROUNDS):
        one, other = (np.uint64((start + turn * step) % WORD) for start, step in zip(key, STEPS, strict=True))
        (high, low), (upper, lower) = _product(words[0], FACTORS[0]), _product(words[2], FACTORS[1])
        words = [upper ^ words[1] ^ one, lower, high ^ words[3] ^ other, low]
    return np.stack(words, axis=-1).reshape(len(seconds), 4 * blocks)[:, :count]


def _product(words: Words, factor: np.uint64) -> tuple[Words, Words]:
    """The upper and the lower 64 of all 128 bits."""
    low, high, small, big = words & LOW, words >> HALF, factor & LOW, factor >> HALF
    middle = (low * small >> HALF) + (high * small & LOW) + low * big
    return high * big + (high * small >> HALF) + (middle >> HALF), words * factor
