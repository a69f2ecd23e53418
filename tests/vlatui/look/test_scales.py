"""Smoothing, ticks, sparks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatui.look.scales import smoothed, spark, ticks


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
