"""The stop ladder: which rung, and when the next."""

import pytest
from vlad.policy.stop import first_rung, grace_s, next_rung, sweep_rung
from vlad.records.run import StopRung
from vlad.records.spec import Kind, StopLadder

LADDER = StopLadder(request_grace_s=100, term_grace_s=30, kill_grace_s=10)


@pytest.mark.parametrize(
    ("kind", "stop_now", "rung"),
    [
        (Kind.TRAIN, False, StopRung.REQUEST),
        (Kind.TRAIN, True, StopRung.TERM),
        (Kind.COMMAND, False, StopRung.TERM),
        (Kind.COMMAND, True, StopRung.TERM),
    ],
)
def test_only_a_trainer_is_asked_first(kind: Kind, stop_now: bool, rung: StopRung) -> None:
    assert first_rung(kind, stop_now=stop_now) is rung


@pytest.mark.parametrize(
    ("rung", "elapsed_s", "stop_now", "higher"),
    [
        (StopRung.REQUEST, 99.9, False, None),
        (StopRung.REQUEST, 100, False, StopRung.TERM),
        (StopRung.REQUEST, 0, True, StopRung.TERM),
        (StopRung.TERM, 29.9, True, None),
        (StopRung.TERM, 30, False, StopRung.KILL),
        (StopRung.KILL, 1000, True, None),
    ],
)
def test_each_rung_has_its_grace(rung: StopRung, elapsed_s: float, stop_now: bool, higher: StopRung | None) -> None:
    assert next_rung(LADDER, rung, elapsed_s, stop_now=stop_now) is higher


@pytest.mark.parametrize(
    ("elapsed_s", "rung"), [(0, StopRung.TERM), (30, StopRung.KILL), (39.9, StopRung.KILL), (40, None)]
)
def test_what_is_left_behind_is_ended_in_the_same_order(elapsed_s: float, rung: StopRung | None) -> None:
    assert sweep_rung(LADDER, elapsed_s) is rung


def test_the_grace_of_each_rung_is_the_specs() -> None:
    assert [grace_s(LADDER, rung) for rung in StopRung] == [100, 30, 10]
