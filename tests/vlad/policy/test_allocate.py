"""Who gets which GPU: in order, nobody overtaken for ever, nobody blocked by what can never be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.policy.allocate import GpuUse, Ticket, allocate, in_order, place_in_queue


def host(*taken: str) -> list[GpuUse]:
    """GPUs a, b, c… with who has them."""
    return [GpuUse(uuid="abcdefgh"[index], index=index, taken=who) for index, who in enumerate(taken)]


def ticket(run_id: str, count: int, at: float = 0, **more: Any) -> Ticket:
    return Ticket(run_id=run_id, count=count, queued_at=at, **more)


CASES = {
    "all that is free": ([ticket("x", 2)], host("", ""), {"x": ("a", "b")}),
    "the lowest free ones": ([ticket("x", 1)], host("held by y", "", ""), {"x": ("b",)}),
    "first come first served": ([ticket("late", 1, 2), ticket("early", 1, 1)], host(""), {"early": ("a",)}),
    "priority before time": (
        [ticket("early", 1, 1), ticket("urgent", 1, 2, priority=5)], host(""), {"urgent": ("a",)},
    ),
    "both of two that fit": ([ticket("x", 1, 1), ticket("y", 1, 2)], host("", ""), {"x": ("a",), "y": ("b",)}),
    "a small one does not overtake a large one": ([ticket("large", 2, 1), ticket("small", 1, 2)], host("", "z"), {}),
    "one that wants others is not held up": (
        [ticket("x", 1, 1, among=("a",)), ticket("y", 1, 2, among=("b",))], host("z", ""), {"y": ("b",)},
    ),
    "chosen ones only": ([ticket("x", 2, among=("a", "c"))], host("", "", ""), {"x": ("a", "c")}),
    "what can never be holds nobody up": ([ticket("giant", 3, 1), ticket("x", 1, 2)], host("", ""), {"x": ("a",)}),
    "unknown cards hold nobody up": ([ticket("x", 1, 1, among=("q",)), ticket("y", 1, 2)], host(""), {"y": ("a",)}),
    "no GPU at all": ([ticket("x", 1)], host(), {}),
}  # fmt: skip


@pytest.mark.parametrize(("tickets", "gpus", "granted"), CASES.values(), ids=CASES.keys())
def test_grants(tickets: list[Ticket], gpus: list[GpuUse], granted: dict[str, tuple[str, ...]]) -> None:
    assert allocate(tickets, gpus).granted == granted


TICKETS = st.lists(
    st.builds(
        Ticket,
        run_id=st.integers(0, 99).map(str),
        count=st.integers(1, 4),
        among=st.lists(st.sampled_from("abcde"), unique=True, max_size=3).map(tuple),
        priority=st.integers(-1, 1),
        queued_at=st.integers(0, 3).map(float),
    ),
    unique_by=lambda one: one.run_id,
    max_size=6,
)
HOSTS = st.lists(st.sampled_from(["", "", "held"]), max_size=4).map(lambda taken: host(*taken))


@given(TICKETS, HOSTS)
def test_nothing_is_given_twice_and_only_what_was_free_and_wanted(tickets: list[Ticket], gpus: list[GpuUse]) -> None:
    granted = allocate(tickets, gpus).granted
    given_away = [uuid for uuids in granted.values() for uuid in uuids]
    assert len(given_away) == len(set(given_away))
    assert set(given_away) <= {gpu.uuid for gpu in gpus if not gpu.taken}
    for one in tickets:
        uuids = granted.get(one.run_id)
        assert uuids is None or (len(uuids) == one.count and (not one.among or set(uuids) <= set(one.among)))


@given(TICKETS, HOSTS)
def test_the_first_that_can_be_served_at_all_is_never_overtaken(tickets: list[Ticket], gpus: list[GpuUse]) -> None:
    """Whatever stands behind it, it gets the same as if it stood alone."""
    possible = [one for one in in_order(tickets) if sum(one.fits(gpu) for gpu in gpus) >= one.count]
    if possible:
        first = possible[0]
        assert allocate(tickets, gpus).granted.get(first.run_id) == allocate([first], gpus).granted.get(first.run_id)


@given(TICKETS, HOSTS)
def test_all_who_ask_agree_whatever_order_they_read_the_tickets_in(tickets: list[Ticket], gpus: list[GpuUse]) -> None:
    assert allocate(tickets, gpus) == allocate(tickets[::-1], gpus)


REASONS = {
    "held": (
        ticket("x", 2), host("held by y", "held by y", "used by others", ""),
        "waits for 2 GPUs: 0, 1 are held by y; 2 is used by others",
    ),
    "kept": (ticket("x", 1, 2), host("used by others", ""), "waits for 1 GPU: 0 is used by others; 1 is kept for big"),
    "chosen": (ticket("x", 1, among=("a",)), host("held by y", ""), "waits for 1 GPU: 0 is held by y"),
    "too many": (ticket("x", 3), host("", ""), "asks for 3 GPUs, and there are only 2"),
    "gone": (ticket("x", 1, among=("q",)), host(""), "asks for 1 GPU, but there is none"),
}  # fmt: skip


@pytest.mark.parametrize(("waiting", "gpus", "reason"), REASONS.values(), ids=REASONS.keys())
def test_what_it_waits_for_is_told(waiting: Ticket, gpus: list[GpuUse], reason: str) -> None:
    others = [ticket("big", 2, 1)] if "kept" in reason else []
    assert place_in_queue(waiting, [waiting, *others], gpus).reason == reason


def test_the_position_counts_those_who_wait() -> None:
    tickets = [ticket("served", 1, 1, among=("b",)), ticket("first", 1, 2, among=("a",)), ticket("second", 1, 3)]
    place = place_in_queue(tickets[2], tickets, host("held by y", ""))
    assert (place.position, place.length) == (2, 2)
