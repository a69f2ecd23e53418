"""Waits that a clock which is set meanwhile does not upset."""

import time

import pytest
from vlad.supervise.timer import Timer


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1_000_000.0
        self.steady = 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize("jump_s", [-86400.0, 0.0, 86400.0])
def test_a_wait_is_as_long_as_it_was_meant_to_be(clocks: Clocks, jump_s: float) -> None:
    timer = Timer()
    until = clocks.wall + 40
    assert timer.remaining_s(until, at_most=300) == 40
    clocks.wall += jump_s
    clocks.pass_by(15)
    assert timer.remaining_s(until, at_most=300) == 25
    clocks.pass_by(30)
    assert timer.remaining_s(until, at_most=300) == 0


@pytest.mark.parametrize("jump_s", [-86400.0, 0.0, 86400.0])
def test_elapsed_time_is_what_has_passed(clocks: Clocks, jump_s: float) -> None:
    timer = Timer()
    since = clocks.wall
    assert timer.elapsed_s(since) == 0
    clocks.wall += jump_s
    clocks.pass_by(7)
    assert timer.elapsed_s(since) == 7


def test_a_process_that_comes_later_counts_from_the_record(clocks: Clocks) -> None:
    since = clocks.wall
    clocks.pass_by(7)
    assert Timer().elapsed_s(since) == 7
    assert Timer().remaining_s(since + 10, at_most=300) == 3


def test_a_wait_far_in_the_future_is_capped_and_ends(clocks: Clocks) -> None:
    """The clock was set back by a day while no supervisor lived."""
    timer = Timer()
    until = clocks.wall + 86400
    assert timer.remaining_s(until, at_most=300) == 300
    clocks.pass_by(300)
    assert timer.remaining_s(until, at_most=300) == 0


def test_the_next_wait_starts_anew(clocks: Clocks) -> None:
    timer = Timer()
    timer.remaining_s(clocks.wall + 5, at_most=300)
    clocks.pass_by(100)
    assert timer.remaining_s(clocks.wall + 5, at_most=300) == 5
