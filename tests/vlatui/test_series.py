"""Curves: bounded, exact where they can be, honest about going back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatui.series import GrowingCurve, smoothed, spark, ticks


def test_a_short_curve_keeps_every_point() -> None:
    growing = GrowingCurve()
    for step in range(100):
        growing.add(step, step * 2.0, step / 10)
    curve = growing.curve()
    assert curve.steps == tuple(range(100))
    assert curve.values[7] == 0.7
    assert curve.times[7] == 14.0


def test_a_long_curve_stays_bounded_and_keeps_its_mean_and_its_newest_point() -> None:
    growing = GrowingCurve(most=64)
    for step in range(10_000):
        growing.add(step, step, step)
    curve = growing.curve()
    assert 64 <= len(curve) <= 129
    assert curve.steps[-1] == 9999
    assert math.isclose(sum(curve.values) / len(curve), sum(range(10_000)) / 10_000, rel_tol=0.02)
    assert list(curve.steps) == sorted(set(curve.steps))


def test_going_back_to_a_checkpoint_takes_back_what_came_after_it() -> None:
    growing = GrowingCurve()
    for step in (*range(10), *range(5, 8)):
        growing.add(step, 0.0, step if step < 5 else -step)
    assert growing.curve().steps == tuple(range(8))


def test_numbers_that_are_none_are_left_out() -> None:
    growing = GrowingCurve()
    for step, value in enumerate((1.0, math.nan, math.inf, 2.0)):
        growing.add(step, 0.0, value)
    assert growing.curve().values == (1.0, 2.0)


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.floats(0, 0.99))
def test_smoothing_stays_between_the_lowest_and_the_highest(values: list[float], weight: float) -> None:
    smooth = smoothed(values, weight)
    assert len(smooth) == len(values)
    assert all(min(values) - 1e-3 <= value <= max(values) + 1e-3 for value in smooth)


def test_smoothing_by_nothing_changes_nothing() -> None:
    assert smoothed([1.0, 5.0, 2.0], 0.0) == [1.0, 5.0, 2.0]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 12))
def test_ticks_lie_inside_and_are_not_too_many(low: float, extent: float, most: int) -> None:
    extent += abs(low) * 1e-6
    marks = ticks(low, low + extent, most)
    assert len(marks) <= most + 1
    assert all(low - extent * 1e-6 <= mark <= low + extent * (1 + 1e-6) for mark in marks)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [(0, 100, 4, [0, 50, 100]), (0, 100, 5, [0, 20, 40, 60, 80, 100]), (0.0, 1.0, 2, [0, 0.5, 1])],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    assert ticks(low, high, most) == expected


def test_a_spark_has_one_bar_a_value_and_the_newest_value_last() -> None:
    assert spark([0, 1, 2, 3], 10) == "▁▃▆█"
    assert spark(list(range(100)), 4)[-1] == "█"
    assert len(spark(list(range(100)), 4)) == 4
    assert spark([1, 1], 5) == "▄▄"
    assert spark([math.nan], 5) == ""
