"""A run's way to its start: after the runs that it follows, and with the GPUs that it asks for."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vlad.host.gpu_probe import read_gpus
from vlad.host.gpu_queue import gpu_uses, ticket_of
from vlad.host.gpus import GpuReading, GpusUnreadable
from vlad.host.leases import Lease, new_claim
from vlad.policy.allocate import allocate, place_in_queue
from vlad.policy.predecessors import Broken, Met, Pending, predecessors
from vlad.records.events import Leased, State, Waits
from vlad.records.files import RecordError
from vlad.records.gpus import GpuWish, LeasedGpu, QueuePlace
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec
from vlad.supervise.chronicle import Chronicle

LOOK_S = 0.5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
_log = logging.getLogger(__name__)


def open_lease(run: RunDirectory) -> Lease | None:
    """The lease file of a run that asks for GPUs; None for another one, and where it cannot be opened now."""
    try:
        wish = run.read_spec().gpus
        return Lease(Path(wish.lock_folder), run.run_id) if wish else None
    except (OSError, RecordError) as error:
        _log.warning("no GPU can be leased yet: %s", error)
        return None


@dataclass(frozen=True, slots=True)
class _Settled:
    """What a look at the queue came to: `place` is None for a run that holds its GPUs.

    `is_next` = nobody but strangers may be in the way; `is_free` = as last read, not even these.
    """

    place: QueuePlace | None
    held: frozenset[tuple[LeasedGpu, ...]]
    is_next: bool = True
    is_free: bool = True


class Queue:
    """Claims GPUs for a run, and holds them until it has ended. What it waits for is on record."""

    def __init__(self, run: RunDirectory, spec: RunSpec, chronicle: Chronicle, lease: Lease | None) -> None:
        self._run = run
        self._spec = spec
        self._chronicle = chronicle
        self._lease = lease
        self._gpus: tuple[GpuReading, ...] = ()
        self._read_again_at = float("-inf")
        self._pause_s = FIRST_PAUSE_S
        self._held_when_read: frozenset[tuple[LeasedGpu, ...]] = frozenset()
        self._look_at = 0.0
        if lease is not None:
            lease.reread()

    @property
    def gpus(self) -> tuple[LeasedGpu, ...]:
        """What the run holds now."""
        return self._lease.gpus if self._lease else ()

    @property
    def lease_handle(self) -> int | None:
        """For the job, which then holds the GPUs too."""
        return self._lease.handle if self._lease and self.gpus else None

    @property
    def is_passed(self) -> bool:
        """Whether the run has all that it had to wait for."""
        return self._spec.gpus is None or bool(self.gpus)

    def release(self) -> None:
        """After the end of the run."""
        if self._lease is not None:
            self._lease.release()

    def look(self) -> Met | Pending | Broken:
        """Whether the run may start now; journals what it waits for where that has changed."""
        if time.monotonic() < self._look_at:
            return Pending("")
        self._look_at = time.monotonic() + LOOK_S
        verdict = self._predecessors()
        if isinstance(verdict, Met) and self._spec.gpus is not None:
            return self._ask_for(self._spec.gpus)
        if isinstance(verdict, Pending):
            self._tell(QueuePlace(reason=verdict.reason))
        return verdict

    def _predecessors(self) -> Met | Pending | Broken:
        """They count before the first attempt only."""
        after = () if self._chronicle.record.attempts else self._spec.after
        return predecessors(after, {one.run_id: self._state_of(one.run_id) for one in after})

    def _state_of(self, run_id: str) -> State | None:
        try:
            return self._run.home.run(run_id).read_record().state
        except RecordError:
            return None

    def _ask_for(self, wish: GpuWish) -> Met | Pending:
        try:
            place = self._claim(wish)
        except FileNotFoundError as error:
            self._lease = None  # it is made anew
            place = QueuePlace(reason=f"waits for GPUs: {error}")
        except (OSError, RecordError) as error:
            place = QueuePlace(reason=f"waits for GPUs: {error}")
        except GpusUnreadable as error:
            place = QueuePlace(reason=f"waits for GPUs: {error}")
            self._look_at = self._read_again_at
        if place is not None:
            self._tell(place)
            return Pending(place.reason)
        if self._chronicle.record.gpus != self.gpus:
            self._chronicle.append(Leased(**self._chronicle.stamp(), gpus=self.gpus))
        return Met()

    def _tell(self, place: QueuePlace) -> None:
        if self._chronicle.record.queue != place:
            self._chronicle.append(Waits(**self._chronicle.stamp(), place=place))

    def _claim(self, wish: GpuWish) -> QueuePlace | None:
        """None when the GPUs are ours, else what they wait for.

        Reading what strangers use costs a process, so it is done when it is our turn, just before GPUs are taken.
        """
        self._lease = self._lease or Lease(Path(wish.lock_folder), self._run.run_id)
        if self.gpus:
            return None
        settled = self._settle(self._lease, wish, may_take=False)
        has_changed = settled.held != self._held_when_read
        if settled.is_next and (has_changed or settled.is_free or time.monotonic() > self._read_again_at):
            self._held_when_read = settled.held
            self._read(FIRST_PAUSE_S if has_changed else self._pause_s)
            settled = self._settle(self._lease, wish, may_take=True)
        return settled.place

    def _read(self, pause_s: float) -> None:
        """Strangers are looked at less and less often while nothing changes. Raises GpusUnreadable."""
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._read_again_at = time.monotonic() + pause_s
        self._gpus = read_gpus().gpus

    def _settle(self, lease: Lease, wish: GpuWish, *, may_take: bool) -> _Settled:
        with lease.exclusive() as claims:
            if lease.claim is None:
                lock, spec = self._run.lock, self._spec
                lease.write(new_claim(spec.run_id, spec.created_by, lock, wish, spec.priority))
            own = lease.claim
            assert own is not None
            others = [one for one in claims if one.run_id != own.run_id]
            held = frozenset(one.gpus for one in others if one.gpus)
            tickets = [ticket_of(one) for one in (*others, own) if not one.gpus]
            uses = gpu_uses(self._gpus, others, wish.free_below_bytes)
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
