"""Which waiting run gets which GPUs: a pure function of the tickets and the GPUs, so that all who ask it agree."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlad.records.figures import plural
from vlad.records.gpus import QueuePlace
from vlad.records.wording import Wording, worded


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A run that waits for `count` GPUs, any or only those `among`. Higher priority goes first, then who came first."""

    run_id: str
    count: int
    among: tuple[str, ...] = ()
    priority: int = 0
    queued_at: float = 0.0

    def fits(self, gpu: "GpuUse") -> bool:
        return not self.among or gpu.uuid in self.among


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """A GPU, and in words who has it: "" for nobody."""

    uuid: str
    index: int
    taken: str = ""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who gets which GPUs (UUIDs) now, and which free ones (UUIDs) are kept for whom (run id)."""

    granted: dict[str, tuple[str, ...]]
    kept: dict[str, str]


def in_order(tickets: Sequence[Ticket]) -> list[Ticket]:
    return sorted(tickets, key=lambda ticket: (-ticket.priority, ticket.queued_at, ticket.run_id))


def allocate(tickets: Sequence[Ticket], gpus: Sequence[GpuUse]) -> Allocation:
    """Grants in order. What a ticket cannot have yet is kept for it, so that a large one is not overtaken for ever.

    A ticket that this host can never serve keeps nothing from others.
    """
    granted: dict[str, tuple[str, ...]] = {}
    kept: dict[str, str] = {}
    free = [gpu for gpu in gpus if not gpu.taken]
    for ticket in in_order(tickets):
        fitting = [gpu for gpu in free if ticket.fits(gpu)]
        chosen = fitting[: ticket.count]
        if len(chosen) == ticket.count:
            granted[ticket.run_id] = tuple(gpu.uuid for gpu in chosen)
        elif _can_ever_have(ticket, gpus):
            chosen = fitting
            kept.update({gpu.uuid: ticket.run_id for gpu in fitting})
        else:
            chosen = []
        free = [gpu for gpu in free if gpu not in chosen]
    return Allocation(granted, kept)


def _can_ever_have(ticket: Ticket, gpus: Sequence[GpuUse]) -> bool:
    return sum(ticket.fits(gpu) for gpu in gpus) >= ticket.count


def place_in_queue(ticket: Ticket, tickets: Sequence[Ticket], gpus: Sequence[GpuUse]) -> QueuePlace:
    """Where a ticket without a grant stands, and what it waits for. Says the same as long as nothing has changed."""
    allocation = allocate(tickets, gpus)
    waiting = [one.run_id for one in in_order(tickets) if one.run_id not in allocation.granted]
    position = waiting.index(ticket.run_id) + 1
    return QueuePlace.of(_reason(ticket, allocation, gpus), position=position, length=len(waiting))


def _reason(ticket: Ticket, allocation: Allocation, gpus: Sequence[GpuUse]) -> Wording:
    wanted = plural(ticket.count, "GPU")
    fitting = [gpu for gpu in gpus if ticket.fits(gpu)]
    if len(fitting) < ticket.count:
        if not fitting:
            return worded("asks for {wanted}, but there is none", wanted=wanted)
        return worded("asks for {wanted}, and there are only {count}", wanted=wanted, count=len(fitting))
    promised = {uuid: run_id for run_id, uuids in allocation.granted.items() for uuid in uuids} | allocation.kept
    users: dict[str, list[str]] = {}
    for gpu in fitting:
        if user := gpu.taken or _kept_in_words(promised.get(gpu.uuid), ticket):
            users.setdefault(user, []).append(str(gpu.index))
    return worded("waits for {wanted}: {held}", wanted=wanted, held="; ".join(_held(*one) for one in users.items()))


def _kept_in_words(run_id: str | None, ticket: Ticket) -> str:
    return "" if run_id in (None, ticket.run_id) else f"kept for {run_id}"


def _held(user: str, indices: list[str]) -> str:
    return f"{', '.join(indices)} {'is' if len(indices) == 1 else 'are'} {user}"
