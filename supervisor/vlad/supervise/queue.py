"""A run's way to its start: after the runs that it follows, and with the GPUs that it asks for."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from vlad.policy.predecessors import Broken, Met, Pending, predecessors
from vlad.records.events import Leased, State, Waits
from vlad.records.files import RecordError
from vlad.records.gpus import LeasedGpu, QueuePlace
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.remarks import remark

if TYPE_CHECKING:  # most runs ask for no GPU, and need not hold in memory how that is done
    from vlad.host.leases import Lease
    from vlad.supervise.claiming import Claiming

LOOK_S = 0.5


def open_lease(run: RunDirectory) -> "Lease | None":
    """The lease file of a run that asks for GPUs; None for another one, and where it cannot be opened now."""
    try:
        wish = run.read_spec().gpus
        if wish is None:
            return None
        from vlad.host.leases import Lease

        return Lease(Path(wish.lock_folder), run.run_id)
    except (OSError, RecordError) as error:
        remark(f"no GPU can be leased yet: {error}")
        return None


def _claiming(run: RunDirectory, spec: RunSpec, lease: "Lease | None") -> "Claiming | None":
    if spec.gpus is None:
        return None
    from vlad.supervise.claiming import Claiming

    return Claiming(run, spec, spec.gpus, lease)


class Queue:
    """Claims GPUs for a run, and holds them until it has ended. What it waits for is on record."""

    def __init__(self, run: RunDirectory, spec: RunSpec, chronicle: Chronicle, lease: "Lease | None") -> None:
        self._run = run
        self._spec = spec
        self._chronicle = chronicle
        self._claiming = _claiming(run, spec, lease)
        self._look_at = 0.0

    @property
    def gpus(self) -> tuple[LeasedGpu, ...]:
        """What the run holds now."""
        return self._claiming.gpus if self._claiming else ()

    @property
    def lease_handle(self) -> int | None:
        """For the job, which then holds the GPUs too."""
        return self._claiming.handle if self._claiming else None

    @property
    def is_passed(self) -> bool:
        """Whether the run has all that it had to wait for."""
        return self._claiming is None or bool(self.gpus)

    def release(self) -> None:
        """After the end of the run."""
        if self._claiming is not None:
            self._claiming.release()

    def look(self) -> Met | Pending | Broken:
        """Whether the run may start now; journals what it waits for where that has changed."""
        if time.monotonic() < self._look_at:
            return Pending()
        self._look_at = time.monotonic() + LOOK_S
        verdict = self._predecessors()
        if isinstance(verdict, Met) and self._claiming is not None:
            return self._ask_for_gpus(self._claiming)
        if isinstance(verdict, Pending):
            self._tell(QueuePlace.of(*verdict.wording))
        return verdict

    def _predecessors(self) -> Met | Pending | Broken:
        """They count before the first attempt only, and until a user has it started all the same (`vlad resume`)."""
        record = self._chronicle.record
        after = () if record.has_begun or record.was_resumed else self._spec.after
        return predecessors(after, {one.run_id: self._state_of(one.run_id) for one in after})

    def _state_of(self, run_id: str) -> State | None:
        try:
            return self._run.home.run(run_id).read_record().state
        except RecordError:
            return None

    def _ask_for_gpus(self, claiming: "Claiming") -> Met | Pending:
        place = claiming.claim()
        if place is not None:
            self._tell(place)
            return Pending(place.wording)
        if self._chronicle.record.gpus != self.gpus:
            self._chronicle.append(Leased(**self._chronicle.stamp(), gpus=self.gpus))
        return Met()

    def _tell(self, place: QueuePlace) -> None:
        if self._chronicle.record.queue != place:
            self._chronicle.append(Waits(**self._chronicle.stamp(), place=place))
