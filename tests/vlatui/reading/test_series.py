"""Curves: bounded, exact where they can be, honest about going back."""

import math

from vlatui.reading.series import GrowingCurve


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
