"""Smoothing, ticks, sparks."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vlatui.look.scales import logarithmic_ticks, smoothed, spark, ticks, time_ticks


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


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 100, 6, [0, 30, 60, 90]),
        (0, 3600, 8, [0, 600, 1200, 1800, 2400, 3000, 3600]),
        (50, 7200, 3, [3600, 7200]),
        (0, 86_400 * 10, 5, [0, 86_400 * 2, 86_400 * 4, 86_400 * 6, 86_400 * 8, 86_400 * 10]),
        (5, 5, 3, [5]),
    ],
)
def test_times_are_marked_at_round_moments(low: float, high: float, most: int, expected: list[float]) -> None:
    assert time_ticks(low, high, most) == expected


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (-3, 1, 5, [0.001, 0.01, 0.1, 1, 10]),
        (-1, 0, 4, [0.1, 0.2, 0.5, 1]),
        (math.log10(0.15), math.log10(2.5), 2, [0.2, 1]),
        (math.log10(0.31), math.log10(0.62), 4, [0.4, 0.5, 0.6]),
        (-30, 0, 4, [1e-30, 1e-20, 1e-10, 1]),
    ],
)
def test_a_log_scale_is_marked_at_round_numbers(low: float, high: float, most: int, expected: list[float]) -> None:
    assert [10**mark for mark in logarithmic_ticks(low, high, most)] == pytest.approx(expected)


@given(st.floats(-300, 300), st.floats(1e-6, 600), st.integers(1, 20))
@example(-10.1015625, 0.001953125, 1)
@example(5.960464477539063e-08, 51.0, 1)
def test_marks_of_a_log_scale_lie_on_it_and_are_few(low: float, extent: float, most: int) -> None:
    high = min(300.0, low + extent)
    marks = logarithmic_ticks(low, high, most)
    assert all(low - 1e-9 <= mark <= high + 1e-9 for mark in marks)
    assert len(marks) <= most + 1
