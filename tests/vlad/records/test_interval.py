"""The interval of a success rate: as published, never outside 0 to 100, never without episodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.records.interval import success_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [  # published values: Newcombe 1998, table I (Wilson's score without correction)
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.0, 16.11),
        (1, 29, 0.61, 17.18),
        (29, 29, 88.30, 100.0),
    ],
)
def test_wilson_interval_equals_the_published_values(successes: int, episodes: int, low: float, high: float) -> None:
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=0.006)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_rate_and_mirrors(counts: tuple[int, int]) -> None:
    successes, episodes = counts
    low, high = wilson_interval(successes, episodes)
    assert 0 <= low <= 100 * successes / episodes <= high <= 100
    mirrored = wilson_interval(episodes - successes, episodes)
    assert (100 - high, 100 - low) == pytest.approx(mirrored)


@pytest.mark.parametrize(("successes", "episodes"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(successes: int, episodes: int) -> None:
    with pytest.raises(ValueError, match="successes of"):
        wilson_interval(successes, episodes)


def test_no_episodes_say_nothing() -> None:
    assert success_interval(50.0, 0) == (0.0, 100.0)


def test_a_told_rate_has_the_interval_of_its_counts() -> None:
    assert success_interval(100 * 15 / 148, 148) == wilson_interval(15, 148)
