"""vlad.policy.early_stop: when the success rate no longer improves."""

import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.policy.early_stop import EarlyStop, EarlyStopPolicy, is_below_resolution


def after_all(rates: list[float], policy: EarlyStopPolicy) -> EarlyStop:
    return reduce(lambda stop, at: stop.after(at[1], at[0], policy), enumerate(rates, start=1), EarlyStop())


@pytest.mark.parametrize(
    ("rates", "best", "best_step", "bad"),
    [
        pytest.param([], -math.inf, 0, 0, id="nothing evaluated"),
        pytest.param([0.0], 0.0, 1, 0, id="the first evaluation improves, even at zero"),
        pytest.param([10, 20, 30], 30, 3, 0, id="each better"),
        pytest.param([30, 20, 10], 30, 1, 2, id="each worse"),
        pytest.param([30, 30], 30, 1, 1, id="equal is no improvement"),
        pytest.param([30, 32], 30, 1, 1, id="better by exactly min_delta is no improvement"),
        pytest.param([30, 32.5], 32.5, 2, 0, id="better by more than min_delta"),
        pytest.param([30, 31, 32, 33], 33, 4, 0, id="slow gains add up against the last best"),
        pytest.param([30, 10, 10, 40, 10], 40, 4, 1, id="an improvement clears the counter"),
    ],
)
def test_counts_evaluations_without_improvement(rates: list[float], best: float, best_step: int, bad: int) -> None:
    stop = after_all(rates, EarlyStopPolicy(patience=5, min_delta=2))
    assert stop == EarlyStop(best=best, best_step=best_step, bad_evaluations=bad)


def test_is_exhausted_at_the_patience_and_not_before() -> None:
    policy = EarlyStopPolicy(patience=2)
    assert [after_all([50] * n, policy).is_exhausted(policy) for n in range(5)] == [False, False, False, True, True]


def test_a_disabled_policy_counts_but_never_stops() -> None:
    policy = EarlyStopPolicy(patience=1, enabled=False)
    stop = after_all([50, 40, 30], policy)
    assert stop.bad_evaluations == 2
    assert not stop.is_exhausted(policy)


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(0, 100), st.integers(1, 6))
def test_best_is_a_rate_seen_and_the_rest_stay_within_min_delta_of_it(
    rates: list[float], min_delta: float, patience: int
) -> None:
    policy = EarlyStopPolicy(patience=patience, min_delta=min_delta)
    stop = after_all(rates, policy)
    if rates:
        assert rates[stop.best_step - 1] == stop.best
        assert max(rates) <= stop.best + min_delta
        assert stop.bad_evaluations == len(rates) - stop.best_step


@pytest.mark.parametrize("rate", [math.nan, -0.1, 100.1, math.inf])
def test_refuses_what_is_no_percentage(rate: float) -> None:
    with pytest.raises(ValueError, match="success rate"):
        EarlyStop().after(rate, 10, EarlyStopPolicy())


@pytest.mark.parametrize(("patience", "min_delta"), [(0, 0.1), (3, -1), (3, 101), (3, math.nan)])
def test_refuses_a_policy_without_meaning(patience: int, min_delta: float) -> None:
    with pytest.raises(ValueError, match="it must be"):
        EarlyStopPolicy(patience=patience, min_delta=min_delta)


@pytest.mark.parametrize(
    ("min_delta", "episodes", "expected"),
    [(0.1, 10, True), (9.9, 10, True), (10, 10, False), (2, 50, False), (0.1, 2000, False), (0, 10, False)],
)
def test_min_delta_below_one_episode_is_noticed(min_delta: float, episodes: int, expected: bool) -> None:
    assert is_below_resolution(min_delta, episodes) is expected


def test_with_intervals_a_lucky_evaluation_is_the_best_but_no_improvement() -> None:
    """60 % of 20 episodes: up to 78 %. 70 % cannot be told from it, 85 % can."""
    policy = EarlyStopPolicy(patience=2, beats_interval=True)
    first = EarlyStop().after(60, 100, policy, high=78)
    lucky = first.after(70, 200, policy, high=85)
    assert (lucky.best, lucky.best_step, lucky.bad_evaluations) == (70, 200, 1)
    better = lucky.after(85, 300, policy, high=95)
    assert (better.best_step, better.bad_evaluations, better.bar) == (300, 0, 95)
    worse = lucky.after(50, 300, policy, high=70)
    assert (worse.best_step, worse.bad_evaluations) == (200, 2)
    assert worse.is_exhausted(policy)


def test_without_intervals_they_change_nothing() -> None:
    policy = EarlyStopPolicy(min_delta=5)
    assert EarlyStop().after(60, 1, policy, high=78) == EarlyStop().after(60, 1, policy)
