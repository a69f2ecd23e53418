"""How sure a success rate is."""

import math

Z_95 = 1.959963984540054  # two-sided 95 percent of a normal distribution


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95 % interval of a success rate, in percent (Wilson 1927, without continuity correction).

    Stays inside 0..100 and is honest for few episodes and for rates of 0 and 100. Raises ValueError for counts that
    cannot be.
    """
    if episodes < 1 or not 0 <= successes <= episodes:
        raise ValueError(f"{successes} successes of {episodes} episodes")
    return success_interval(100 * successes / episodes, episodes)


def success_interval(success_rate: float, episodes: int) -> tuple[float, float]:
    """The same of a rate that was told in percent; 0 to 100 where no episode was counted."""
    if episodes < 1:
        return 0.0, 100.0
    rate, z2 = success_rate / 100, Z_95 * Z_95
    centre = rate + z2 / (2 * episodes)
    half = Z_95 * math.sqrt(rate * (1 - rate) / episodes + z2 / (4 * episodes * episodes))
    scale = 100 / (1 + z2 / episodes)
    low = 0.0 if rate == 0 else max(0.0, (centre - half) * scale)
    return low, 100.0 if rate == 1 else min(100.0, (centre + half) * scale)
