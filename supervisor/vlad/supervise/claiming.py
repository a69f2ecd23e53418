"""Claims GPUs for a run that waits for some. Loaded only for such runs."""

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vlad.host.gpu_probe import read_gpus
from vlad.host.gpu_queue import gpu_uses, ticket_of
from vlad.host.gpus import GpuReading, GpusUnreadable
from vlad.host.leases import Lease, new_claim
from vlad.policy.allocate import allocate, place_in_queue
from vlad.records.files import RecordError
from vlad.records.gpus import GpuWish, LeasedGpu, QueuePlace
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec
from vlad.records.wording import Wording, worded

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Settled:
    """What a look at the queue came to: `place` is None for a run that holds its GPUs.

    `is_next` = nobody but strangers may be in the way; `is_free` = as last read, not even these.
    """

    place: QueuePlace | None
    held: frozenset[tuple[LeasedGpu, ...]]
    is_next: bool = True
    is_free: bool = True


class Claiming:
    """Owns the run's lease, and what was last read of the GPUs."""

    def __init__(self, run: RunDirectory, spec: RunSpec, wish: GpuWish, lease: Lease | None) -> None:
        """`lease` may have been opened by the process that this one was forked from."""
        self._run = run
        self._spec = spec
        self._wish = wish
        self._lease = lease
        self._gpus: tuple[GpuReading, ...] = ()
        self._fault: Wording | None = None
        self._read_again_at = float("-inf")
        self._pause_s = FIRST_PAUSE_S
        self._held_when_read: frozenset[tuple[LeasedGpu, ...]] = frozenset()
        if lease is not None:
            lease.reread()

    @property
    def gpus(self) -> tuple[LeasedGpu, ...]:
        """What the run holds now."""
        return self._lease.gpus if self._lease else ()

    @property
    def handle(self) -> int | None:
        """Who has it open holds the GPUs."""
        return self._lease.handle if self._lease and self.gpus else None

    def release(self) -> None:
        if self._lease is not None:
            self._lease.release()

    def claim(self) -> QueuePlace | None:
        """None when the GPUs are ours, else what they wait for."""
        try:
            return self._claim()
        except FileNotFoundError as error:
            self._lease = None  # it is made anew
            return QueuePlace.of(_waits(error))
        except (OSError, RecordError) as error:
            return QueuePlace.of(_waits(error))

    def _claim(self) -> QueuePlace | None:
        """Reading what strangers use costs a process: it is done when it is our turn, just before GPUs are taken."""
        self._lease = self._lease or Lease(Path(self._wish.lock_folder), self._run.run_id)
        if self.gpus:
            return None
        settled = self._settle(self._lease, may_take=False)
        has_changed = settled.held != self._held_when_read
        is_due = time.monotonic() > self._read_again_at
        if settled.is_next and (has_changed or is_due or settled.is_free):
            self._held_when_read = settled.held
            self._read(FIRST_PAUSE_S if has_changed else self._pause_s)
            settled = self._settle(self._lease, may_take=True)
        return QueuePlace.of(self._fault) if self._fault else settled.place

    def _read(self, pause_s: float) -> None:
        """Strangers are looked at less and less often while nothing changes."""
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._read_again_at = time.monotonic() + pause_s
        try:
            self._gpus, self._fault = read_gpus().gpus, None
        except GpusUnreadable as error:
            self._gpus, self._fault = (), _waits(error)

    def _settle(self, lease: Lease, *, may_take: bool) -> _Settled:
        with lease.exclusive() as claims:
            if lease.claim is None:
                lock, spec = self._run.lock, self._spec
                lease.write(new_claim(spec.run_id, spec.created_by, lock, self._wish, spec.priority))
            own = lease.claim
            assert own is not None
            others = [one for one in claims if one.run_id != own.run_id]
            held = frozenset(one.gpus for one in others if one.gpus)
            tickets = [ticket_of(one) for one in (*others, own) if not one.gpus]
            uses = gpu_uses(self._gpus, others, self._wish.free_below_bytes)
            chosen = allocate(tickets, uses).granted.get(own.run_id)
            if chosen is None:
                among_us = allocate(tickets, gpu_uses(self._gpus, others, None)).granted
                place = place_in_queue(ticket_of(own), tickets, uses)
                return _Settled(place, held, is_next=own.run_id in among_us or not self._gpus, is_free=False)
            if may_take:
                lease.write(msgspec.structs.replace(own, gpus=self._described(chosen)))
            return _Settled(None, held)

    def _described(self, chosen: tuple[str, ...]) -> tuple[LeasedGpu, ...]:
        return tuple(
            LeasedGpu(uuid=one.uuid, index=one.index, name=one.name) for one in self._gpus if one.uuid in chosen
        )


def _waits(error: Exception) -> Wording:
    return worded("waits for GPUs: {error}", error=error)
